"""References to secrets: read late, said never."""

from pathlib import Path

import pytest

from sidecar.config import SecretRef, loads, resolve
from sidecar.errors import SecretError

SECRET = "hunter2"


def failure(reference: SecretRef) -> str:
    with pytest.raises(SecretError) as caught:
        resolve(reference, name="opensearch.auth.basic.password")
    assert caught.value.exit_code == 2
    assert SECRET not in f"{caught.value} {caught.value!r}"
    return str(caught.value).removeprefix("opensearch.auth.basic.password: ")


def from_env(monkeypatch: pytest.MonkeyPatch, value: str) -> SecretRef:
    monkeypatch.setenv("SIDECAR_TEST_SECRET", value)
    return SecretRef(env="SIDECAR_TEST_SECRET")


def from_file(tmp_path: Path, raw: bytes) -> SecretRef:
    (tmp_path / "secrets").mkdir(exist_ok=True)
    file = tmp_path / "secrets" / "secret"
    file.write_bytes(raw)
    return SecretRef(file=str(file))


def test_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    assert resolve(from_env(monkeypatch, "pässwörd $x %y"), name="n") == "pässwörd $x %y"


@pytest.mark.parametrize("raw", [b"a b", b"a b\n", b"a b\r\n"])
def test_a_file(tmp_path: Path, raw: bytes) -> None:
    assert resolve(from_file(tmp_path, raw), name="n") == "a b"


def test_only_one_newline_is_taken_off(tmp_path: Path) -> None:
    assert resolve(from_file(tmp_path, b" a \n"), name="n") == " a "
    assert failure(from_file(tmp_path, b"a\n\n")).endswith("holds more than one line of text")


def test_a_rotated_file_is_read_again(tmp_path: Path) -> None:
    reference = from_file(tmp_path, b"old")
    resolve(reference, name="n")
    from_file(tmp_path, b"new")

    assert resolve(reference, name="n") == "new"


def test_a_variable_that_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = "the environment variable SIDECAR_TEST_SECRET is not set, or empty (set it, or use {file: /path})"
    assert failure(from_env(monkeypatch, "")) == wanted
    monkeypatch.delenv("SIDECAR_TEST_SECRET")
    assert failure(SecretRef(env="SIDECAR_TEST_SECRET")) == wanted


@pytest.mark.parametrize("value", [f"{SECRET}\n{SECRET}", f"{SECRET}\r\n", f"{SECRET}\n"])
def test_a_variable_of_two_lines(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    wanted = "the environment variable SIDECAR_TEST_SECRET holds more than one line of text"

    assert failure(from_env(monkeypatch, value)) == wanted


def test_a_variable_that_is_not_utf_8(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = "the environment variable SIDECAR_TEST_SECRET is not UTF-8 text"

    assert failure(from_env(monkeypatch, f"{SECRET}\udcff")) == wanted


@pytest.mark.parametrize(
    ("raw", "wanted"),
    [
        (b"", " is empty"),
        (b"\n", " is empty"),
        (b"hunter2\nhunter2", " holds more than one line of text"),
        (b"hunter2\0", " holds more than one line of text"),
        (b"hunter2\xff", " is not UTF-8 text"),
        (b"\xef\xbb\xbfhunter2\n", " begins with a byte order mark (an editor put it there: save it without one)"),
        (b"hunter2" * 10_000, " is larger than 64 KiB"),
    ],
    ids=["empty", "newline", "two lines", "nul", "not utf-8", "mark", "too large"],
)
def test_a_bad_file(tmp_path: Path, raw: bytes, wanted: str) -> None:
    reference = from_file(tmp_path, raw)

    assert failure(reference) == f"{reference.file}{wanted}"


def test_a_file_that_can_not_be_read(tmp_path: Path) -> None:
    hint = "(check path, owner and mode)"
    assert failure(SecretRef(file=str(tmp_path))) == f"{tmp_path} can't be read: Is a directory {hint}"
    missing, hint = tmp_path / "nope", "(check the path; is it a key of the Secret?)"
    assert failure(SecretRef(file=str(missing))) == f"{missing} can't be read: No such file or directory {hint}"


def test_a_config_shows_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    from_env(monkeypatch, SECRET)
    config = loads(
        "cluster: c\nopensearch: {url: 'http://h', auth: {basic: "
        "{username: {env: SIDECAR_TEST_SECRET}, password: {env: SIDECAR_TEST_SECRET}}}}"
    )

    assert config.opensearch.auth.basic is not None
    assert resolve(config.opensearch.auth.basic.password, name="n") == SECRET
    assert SECRET not in f"{config!r} {config} {config.model_dump_json()}"
    assert "SIDECAR_TEST_SECRET" in repr(config)


@pytest.mark.parametrize("env", ["", "1A", "A B", "A=B", "A-B", "$A", "A\n", "Ä", "A\0"])
def test_no_variable_names(env: str) -> None:
    with pytest.raises(ValueError, match="env must be the name of a variable"):
        SecretRef(env=env)


@pytest.mark.parametrize("file", ["", "a", "./a", "/a\0", "/a\n"])
def test_no_secret_files(file: str) -> None:
    with pytest.raises(ValueError, match="file must be an absolute path"):
        SecretRef(file=file)


@pytest.mark.parametrize("reference", [{}, {"env": "A", "file": "/a"}])
def test_exactly_one_of_the_two(reference: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="exactly one of env and file is needed"):
        SecretRef.model_validate(reference)
