"""What is said of TLS that can't be agreed on, alert by alert."""

import ssl

import pytest
import urllib3

from sidecar.errors import OpenSearchUnavailable
from sidecar.opensearch.unreachable import unreachable


@pytest.mark.parametrize(
    ("reason", "hint"),
    [
        ("SSLV3_ALERT_CERTIFICATE_EXPIRED", "our certificate in opensearch.auth.mtls.cert has expired"),
        ("TLSV13_ALERT_CERTIFICATE_REQUIRED", "it wants a client certificate: set opensearch.auth.mtls"),
        ("TLSV1_ALERT_UNKNOWN_CA", "it does not trust our certificate"),
        ("SSLV3_ALERT_BAD_CERTIFICATE", "it does not trust our certificate"),
        ("SSLV3_ALERT_HANDSHAKE_FAILURE", "does it want a client certificate"),
        ("TLSV1_ALERT_PROTOCOL_VERSION", "or speak only an old TLS?"),
        ("UNEXPECTED_EOF_WHILE_READING", "It may want a client certificate"),
    ],
)
def test_an_alert_says_what_the_server_misses(reason: str, hint: str) -> None:
    inner = ssl.SSLError(1, f"[SSL: {reason}] {reason.lower()} (_ssl.c:2580)")
    inner.reason = reason
    outer = urllib3.exceptions.SSLError(inner)
    error = unreachable("https://h", outer)
    assert isinstance(error, OpenSearchUnavailable)
    assert "OpenSearch at https://h: can't be reached" in error.what
    assert hint in error.hint


def test_a_reset_of_tls_hints_at_a_certificate_and_one_without_does_not() -> None:
    error = urllib3.exceptions.ProtocolError("Connection aborted.", ConnectionResetError(104, "Connection reset"))
    assert "opensearch.auth.mtls" in unreachable("https://h", error).hint
    assert "opensearch.auth.mtls" not in unreachable("http://h", error).hint


def test_errors_that_come_from_each_other_are_looked_at_once() -> None:
    first, second = OSError("one"), OSError("two")
    first.__cause__, second.__cause__ = second, first
    assert "can't be reached: one" in unreachable("http://h", first).what
