"""The presets, in LuaJIT: what they take, what they leave, and that JSON stays JSON."""

import json
from functools import cache

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sidecar.config.pattern import check_pattern, check_replacement
from sidecar.config.redaction import PRESET_GROUPS, PRESETS
from sidecar.render.patterns import LuaPattern, lua_patterns
from tests.support.lua import LuaJit

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
KEY = "-----BEGIN RSA PRIVATE KEY-----{}MIIEpAIBAAKCAQEA{}-----END RSA PRIVATE KEY-----"


@cache
def lua() -> LuaJit:
    return LuaJit()


@cache
def patterns(name: str) -> tuple[LuaPattern, ...]:
    return tuple(one for rule in PRESETS[name].rules for one in lua_patterns(rule.pattern, rule.replace))


def redacted(name: str, text: str) -> str:
    found = text.encode()
    for one in patterns(name):
        after = lua().gsub(found, one.pattern, one.replace)
        assert after == found or one.needle.encode() in (found.lower() if one.fold else found)
        found = after
    return found.decode()


TAKEN = [
    ("aws-access-key", "key AKIAIOSFODNN7EXAMPLE used", "key *** used"),
    ("aws-access-key", '"ASIAIOSFODNN7EXAMPLE"', '"***"'),
    ("aws-secret-key", f"aws_secret_access_key = {SECRET}", "aws_secret_access_key = ***"),
    ("aws-secret-key", f'"SecretAccessKey": "{SECRET}",', '"SecretAccessKey": "***",'),
    ("aws-secret-key", f'\\"secretAccessKey\\":\\"{SECRET}\\"', '\\"secretAccessKey\\":\\"***\\"'),
    ("aws-secret-key", f"AWS_SESSION_TOKEN={SECRET}{SECRET}==", "AWS_SESSION_TOKEN=***"),
    ("jwt", f"token {JWT} ok", "token eyJhbGciOiJIUzI1NiJ9.*** ok"),
    ("jwt", f"?t%3D{JWT}&u", "?t%3DeyJhbGciOiJIUzI1NiJ9.***&u"),
    ("jwt", "eyJhbGciOiJSU0EifQ.OKOawDo.48V1_ALb6US04U3b.5eym8TW.XFBoMYUZ done", "*** done"),
    ("bearer-token", "Authorization: Bearer abc.def", "Authorization: Bearer ***"),
    ("bearer-token", '{"authorization":"Basic dXNlcjpwYXNz"}', '{"authorization":"Basic ***"}'),
    ("bearer-token", "map[Authorization:[Bearer xyz] Accept:[*/*]]", "map[Authorization:[Bearer ***] Accept:[*/*]]"),
    ("bearer-token", "sent bearer 0123456789abcdefABCDEF==", "sent bearer ***"),
    ("password", "password=hunter2 user=x", "password=*** user=x"),
    ("password", "DB_PASSWORD: hunter2", "DB_PASSWORD: ***"),
    ("password", "?user=a&passwd=b%20c&x=1", "?user=a&passwd=***&x=1"),
    ("password", 'pwd="a b c" x', 'pwd="***" x'),
    ("password", "{'password': 'a b', 'u': 1}", "{'password': '***', 'u': 1}"),
    ("password", "{'pwd': 12, 'u': 1}", "{'pwd': '***', 'u': 1}"),
    ("password", "passphrase='unclosed", "passphrase='***"),
    ("private-key", KEY.format("\n", "\n"), "-----BEGIN RSA PRIVATE KEY-----***-----END RSA PRIVATE KEY-----"),
    ("private-key", KEY.format("\\n", "\\n"), "-----BEGIN RSA PRIVATE KEY-----***-----END RSA PRIVATE KEY-----"),
    (
        "private-key",
        KEY.format("\nProc-Type: 4,ENCRYPTED\nDEK-Info: DES-EDE3-CBC,56AF\n\n", "\n"),
        "-----BEGIN RSA PRIVATE KEY-----***-----END RSA PRIVATE KEY-----",
    ),
    ("private-key", "-----BEGIN PRIVATE KEY-----\nMIIcut", "-----BEGIN PRIVATE KEY-----***"),
    (
        "private-key",
        "-----BEGIN PGP PRIVATE KEY BLOCK-----\nlQOYBF\n-----END",
        "-----BEGIN PGP PRIVATE KEY BLOCK-----***-----END",
    ),
    ("url-credentials", "postgres://app:s3cr:et@db:5432/x", "postgres://app:***@db:5432/x"),
    ("url-credentials", "redis://:pw@h", "redis://:***@h"),
    ("url-credentials", "http://u:p@ss@h/", "http://u:***@h/"),
    ("url-credentials", '"http:\\/\\/u:p@h\\/x"', '"http:\\/\\/u:***@h\\/x"'),
    ("github-token", "ghp_" + "a1B2" * 9 + " x", "*** x"),
    ("github-token", "github_pat_11ABCDEFG0123456789abc_xyz x", "*** x"),
    ("slack-token", "xoxb-123456789012-abcdefABCDEF.", "***."),
    ("slack-token", "xapp-1-A012-345-abcdef", "***"),
    ("slack-token", "https://hooks.slack.com/services/T0/B0/xyz", "https://hooks.slack.com/services/***"),
    ("google-api-key", "key=AIzaSyA1234567890abcdefghijklmnopqrstuv&x", "key=***&x"),
    ("email", "from <jane.doe+x@mail.example.co.uk>, ok", "from <***>, ok"),
    ("email", "a@b.io,c@d.org.", "***,***."),
    ("credit-card", "card 4111111111111111.", "card ***."),
    ("credit-card", "card 5500-0000-0000-0004 2221 0000 0000 0009", "card *** ***"),
    ("credit-card", "378282246310005,3782 822463 10005", "***,***"),
    ("ipv4", "from 10.0.12.255:80, 8.8.8.8.", "from ***:80, ***."),
    ("iban", "to DE89370400440532013000, ok", "to ***, ok"),
    ("iban", "GB29 NWBK 6016 1331 9268 19 paid", "*** paid"),
    ("iban", "MT84MALT011000012345MTLCAST001S", "***"),
]

LEFT = [
    ("aws-access-key", "AKIAIOSFODNN7EXAMPLEX AKIA1 xAKIAIOSFODNN7EXAMPLE"),
    ("aws-secret-key", f"digest {SECRET} secret_access_key=short session started"),
    ("jwt", "eyJ is how a token begins. a.eyJ"),
    ("bearer-token", "bearer authentication failed; authorization: denied"),
    ("password", "password reset for bob, PASSWORD_FILE=/run/x, passwords: 3, passengers=4"),
    ("private-key", "-----BEGIN CERTIFICATE-----\nMIIE\n-----END CERTIFICATE-----"),
    ("private-key", "-----BEGIN PUBLIC KEY-----\nMIIE"),
    ("url-credentials", "http://host:8080/a@b http://host:80?mail=a@b.c https://u@h/ see: x@y"),
    ("github-token", "ghp_short high_ github_pat_x"),
    ("slack-token", "xoxo, xox-1 foxxapp-x"),
    ("google-api-key", "AIzaShort"),
    ("email", "a@b @c.de x@ y@.com user@localhost"),
    ("credit-card", "1763849000123456 41111111111111112 0.4111111111111111 id-4111111111111111 4111 1111"),
    ("credit-card", "12345678-4111-1111-1111-123456789012"),
    ("ipv4", "v1.2.3.4 1.2.3 10.0.19041.1 1234.1.1.1"),
    ("iban", "4bf92f3577b34da6a3ce929d0e0e4736 DE89 is a name ABCD12345678901234567"),
]


@pytest.mark.parametrize(("name", "text", "expected"), TAKEN)
def test_a_preset_takes(name: str, text: str, expected: str) -> None:
    assert redacted(name, text) == expected
    assert redacted(name, f"{text}\n{text}").count("***") >= expected.count("***")


@pytest.mark.parametrize(("name", "text"), LEFT)
def test_a_preset_leaves(name: str, text: str) -> None:
    assert redacted(name, text) == text


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_has_examples_of_both_kinds_and_is_in_the_subset(name: str) -> None:
    assert name in {taken[0] for taken in TAKEN}
    assert name in {left[0] for left in LEFT}
    for rule in PRESETS[name].rules:
        assert check_replacement(rule.replace, check_pattern(rule.pattern)) == rule.replace


def test_each_preset_is_in_one_group() -> None:
    assert [name for names in PRESET_GROUPS.values() for name in names] == list(PRESETS)
    assert not set(PRESET_GROUPS) & set(PRESETS)


# Up to seven escapes, and four in JSON within JSON: the limits that _field states.
VALUES = st.text(alphabet=st.sampled_from("ab\" \\\n='&é,:"), min_size=1, max_size=7)


@settings(max_examples=300, deadline=None)
@given(VALUES, st.sampled_from(["password", "userPwd", "PASSPHRASE"]), st.sampled_from([None, (",", ":")]))
@example('"""""""', "password", None)
@example("\\\\\\", "password", None)
def test_a_password_in_json_is_gone_and_json_stays(value: str, name: str, separators: tuple[str, str] | None) -> None:
    text = json.dumps({"a": 1, name: value, "z": "end"}, separators=separators, ensure_ascii=False)
    assert json.loads(redacted("password", text)) == {"a": 1, name: "***", "z": "end"}


@settings(max_examples=300, deadline=None)
@given(VALUES.map(lambda value: value[:4]), st.sampled_from(["password", "passwd"]))
@example("\\", "password")
@example("\\\\\\\\", "password")
@example('"\\"\\', "password")
def test_so_is_one_in_json_within_json(value: str, name: str) -> None:
    text = json.dumps({"m": json.dumps({name: value, "z": 1}, ensure_ascii=False), "n": 2}, ensure_ascii=False)
    outer = json.loads(redacted("password", text))
    assert json.loads(outer["m"]) == {name: "***", "z": 1}
    assert outer["n"] == 2


@pytest.mark.parametrize("value", [12, 1.5, True, None])
def test_a_number_for_a_password_becomes_a_string(value: object) -> None:
    text = json.dumps({"password": value, "z": 1})
    assert json.loads(redacted("password", text)) == {"password": "***", "z": 1}
    text = json.dumps({"m": text})
    assert json.loads(json.loads(redacted("password", text))["m"]) == {"password": "***", "z": 1}


@pytest.mark.parametrize("name", PRESETS)
def test_a_long_line_takes_linear_time(name: str) -> None:
    pieces = ["a", "1", " ", ".", "-----BEGIN PRIVATE KEY-----", 'password="', "eyJ", "a.eyJ", "a@", "://a:", "1.", "4"]
    for piece in [*pieces, "bearer ", "authorization:", "secretaccesskey=", "xoxb-", "DE89 3704 0044 0532", '\\\\"']:
        text = (piece * (2**16 // len(piece))).encode()
        for one in patterns(name):
            taken, _ = lua().seconds(lua().eval("string.gsub"), text, one.pattern.encode(), one.replace.encode())
            # Quadratic time is about half a minute for as much.
            assert taken < 1
