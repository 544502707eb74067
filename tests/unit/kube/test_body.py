from itertools import pairwise
from pathlib import Path

import pytest
import urllib3
from hypothesis import given
from hypothesis import strategies as st

from sidecar.kube import connect
from sidecar.kube.body import Dechunker, body
from tests.support.fakes.kubernetes import kubeconfig
from tests.support.fakes.server import Exchange, Scripted, says


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=8), st.lists(st.integers(0, 400), max_size=30), st.data())
def test_chunks_cut_anywhere_give_what_was_sent(parts: list[bytes], cuts: list[int], data: st.DataObject) -> None:
    extension = data.draw(st.sampled_from([b"", b";a=b", b" ; x"]))
    sent = b"".join(b"%X%s\r\n%s\r\n" % (len(part), extension, part) for part in parts) + b"0\r\n\r\n"
    ends = sorted({cut for cut in cuts if cut < len(sent)} | {0, len(sent)})
    chunks = Dechunker()
    found = b"".join(chunks.decode(sent[start:end]) for start, end in pairwise(ends) if not chunks.ended)
    assert found == b"".join(parts)
    assert chunks.ended


@pytest.mark.parametrize("bad", [b"x\r\n", b"-5\r\nabc", b"\r\n", b"5\r\nabcdefgh\r\n", b"<html>" * 1000])
def test_what_is_not_in_chunks_is_said(bad: bytes) -> None:
    with pytest.raises(urllib3.exceptions.ProtocolError, match="not in chunks"):
        Dechunker().decode(bad)


def test_nothing_is_taken_behind_the_end() -> None:
    chunks = Dechunker()
    assert chunks.decode(b"1\r\na\r\n0\r\nTrailer: x\r\n\r\nHTTP/1.1 200") == b"a"
    assert chunks.ended


def test_a_body_that_is_not_in_chunks_is_read_too(tmp_path: Path) -> None:
    text = b"line\n" * 100_000
    with Scripted(says(200, text)) as server:
        api = connect(kubeconfig=kubeconfig(tmp_path, server.url))
        response = api.stream("/", {}, read_seconds=5)
        assert b"".join(body(response)) == text
        response.close()


def test_what_came_together_stays_together(tmp_path: Path) -> None:
    def step(exchange: Exchange) -> None:
        exchange.start_stream()
        exchange._handler.wfile.write(
            b"".join(b"2\r\n%d\n\r\n" % (number % 10) for number in range(1000)) + b"0\r\n\r\n"
        )

    with Scripted(step) as server:
        api = connect(kubeconfig=kubeconfig(tmp_path, server.url))
        response = api.stream("/", {}, read_seconds=5)
        pieces = list(body(response))
        response.close()
    assert sum(map(len, pieces)) == 2000
    assert len(pieces) < 20
