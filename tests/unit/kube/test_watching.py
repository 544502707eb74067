import threading
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from sidecar.errors import KubernetesError, KubernetesUnavailable, ResourceExpired
from sidecar.kube import Change, Watch, connect, initial_supported
from tests.support.fakes.kubernetes import FakeKubernetes, event, failing, kubeconfig, line, status_object, stream
from tests.support.fakes.server import Script, Scripted, says
from tests.support.fakes.tls import make_certificate
from tests.support.waiting import wait_until

PATH = "/api/v1/events"
EVENTS = [event(7), event(8, message="Grüße 🚀\n\u2028"), event(9)]
LINES = b"".join(map(line, EVENTS))


def watched(folder: Path, step: Script) -> tuple[list[Any], KubernetesError | None]:
    """The objects of a watch, and how it ended."""
    found: list[Any] = []
    with FakeKubernetes(watches=[step]) as server:
        api = connect(kubeconfig=kubeconfig(folder, server.url))
        try:
            with Watch(api, PATH, "5") as watch:
                for changes in watch:
                    found += [change.item for change in changes]
        except KubernetesError as error:
            return found, error
        finally:
            api.close()
    return found, None


def chunks(data: bytes, ends: Sequence[int]) -> list[bytes]:
    cuts = [0, *ends, len(data)]
    return [data[start:end] for start, end in pairwise(cuts) if end > start]


def test_a_watch_asks_for_changes_from_a_version_on_for_a_while(tmp_path: Path) -> None:
    with FakeKubernetes(watches=[stream(then="end")]) as server:
        api = connect(kubeconfig=kubeconfig(tmp_path, server.url))
        with Watch(api, PATH, "5") as watch:
            assert list(watch) == []
        api.close()
    (query,) = server.asked(watch=True)
    assert 240 <= int(query.pop("timeoutSeconds")) <= 290
    assert query == {"watch": "true", "allowWatchBookmarks": "true", "resourceVersion": "5"}


@pytest.mark.parametrize(("given", "seconds"), [(None, "3600"), (7, "7")])
def test_a_watch_may_show_what_is_there_first(tmp_path: Path, given: int | None, seconds: str) -> None:
    end = {"metadata": {"resourceVersion": "9", "annotations": {"k8s.io/initial-events-end": "true"}}}
    bookmark = {"metadata": {"resourceVersion": "10"}}
    data = [line(EVENTS[0]), line(end, "BOOKMARK"), line(bookmark, "BOOKMARK"), line(end, "ADDED")]
    with FakeKubernetes(watches=[stream(*data, then="end")]) as server:
        api = connect(kubeconfig=kubeconfig(tmp_path, server.url))
        with Watch(api, PATH, "", selector={"fieldSelector": "a=b"}, initial=True, seconds=given) as watch:
            found = [change.ends_list for changes in watch for change in changes]
        api.close()
    assert found == [False, True, False, False]
    (query,) = (request.query for request in server.requests)
    assert query == {
        "watch": "true",
        "allowWatchBookmarks": "true",
        "sendInitialEvents": "true",
        "resourceVersionMatch": "NotOlderThan",
        "timeoutSeconds": seconds,
        "fieldSelector": "a=b",
    }


@pytest.mark.parametrize("item", [None, "x", {}, {"metadata": None}, {"metadata": {"annotations": None}},
                                  {"metadata": {"annotations": {"k8s.io/initial-events-end": True}}}])  # fmt: skip
def test_an_odd_bookmark_ends_no_list(item: Any) -> None:
    assert not Change("BOOKMARK", item).ends_list


@pytest.mark.parametrize(
    ("version", "supported"),
    [
        ({"major": "1", "minor": "32"}, True),
        ({"major": "1", "minor": "34+"}, True),
        ({"major": "1", "minor": "31+"}, False),
        ({"major": "1", "minor": "9"}, False),
        ({"major": "2", "minor": "0"}, True),
        ({"major": "1"}, False),
        ({"major": "", "minor": "+"}, False),
        ({"major": None, "minor": 33}, False),
        ({}, False),
    ],
)
def test_the_version_tells_whether_a_watch_may_list(tmp_path: Path, version: Any, supported: bool) -> None:
    with Scripted(says(200, version)) as server:
        assert initial_supported(connect(kubeconfig=kubeconfig(tmp_path, server.url))) is supported
        assert server.requests[0].path == "/version"


def test_a_version_that_is_not_told_is_none_but_a_server_that_is_away_is_said(tmp_path: Path) -> None:
    with Scripted(failing(403), failing(404), failing(503)) as server:
        api = connect(kubeconfig=kubeconfig(tmp_path, server.url))
        assert not initial_supported(api)
        assert not initial_supported(api)
        with pytest.raises(KubernetesUnavailable):
            initial_supported(api)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 1000])
def test_chunks_may_end_anywhere_also_within_a_character(tmp_path: Path, size: int) -> None:
    found, error = watched(tmp_path, stream(*chunks(LINES, range(size, len(LINES), size)), then="end"))
    assert error is None
    assert found == EVENTS


def test_every_single_cut_gives_the_same(tmp_path: Path) -> None:
    emoji = LINES.index("🚀".encode())
    for cut in [*range(emoji - 2, emoji + 6), LINES.index(b"\n"), LINES.index(b"\n") + 1, len(LINES) - 1]:
        found, error = watched(tmp_path, stream(*chunks(LINES, [cut]), then="end"))
        assert (found, error) == (EVENTS, None)


def test_a_line_longer_than_the_buffer_is_whole(tmp_path: Path) -> None:
    long = event(7, message="ä" * 300_000)
    assert watched(tmp_path, stream(line(long), line(event(8)), then="end")) == ([long, event(8)], None)


def test_a_long_line_in_many_chunks_takes_time_in_proportion(tmp_path: Path) -> None:
    long = line(event(7, message="x" * 4_000_000))
    began = time.process_time()
    found, error = watched(tmp_path, stream(*chunks(long, range(500, len(long), 500)), then="end"))
    assert (len(found), error) == (1, None)
    assert time.process_time() - began < 5, "joined once, not for every chunk"


def test_the_kind_of_a_change_is_kept(tmp_path: Path) -> None:
    data = [line(event(7), kind) for kind in ("ADDED", "MODIFIED", "DELETED", "BOOKMARK")]
    with FakeKubernetes(watches=[stream(*data, then="end")]) as server:
        api = connect(kubeconfig=kubeconfig(tmp_path, server.url))
        with Watch(api, PATH, "5") as watch:
            kinds = [change.type for changes in watch for change in changes]
        api.close()
    assert kinds == ["ADDED", "MODIFIED", "DELETED", "BOOKMARK"]


def test_half_a_line_at_the_end_is_dropped_and_the_end_is_normal(tmp_path: Path) -> None:
    assert watched(tmp_path, stream(line(EVENTS[0]), line(EVENTS[1])[:-1], then="end")) == ([EVENTS[0]], None)


def test_a_stream_that_breaks_off_is_worth_another_watch(tmp_path: Path) -> None:
    found, error = watched(tmp_path, stream(line(EVENTS[0]), line(EVENTS[1])[:20], then="cut"))
    assert found == [EVENTS[0]]
    assert isinstance(error, KubernetesUnavailable)
    assert "the watch broke off" in str(error)


@pytest.mark.parametrize("bad", [b"{\n", b"garbage\n", b"5\n", b'{"type":"ADDED"}\n', b'{"object":{}}\n', b"\xff\n"])
@pytest.mark.parametrize("together", [True, False])
def test_what_came_before_a_line_that_is_no_change_is_not_lost(tmp_path: Path, bad: bytes, together: bool) -> None:
    parts = [line(EVENTS[0]), line(EVENTS[1]), bad, line(EVENTS[2])]
    found, error = watched(tmp_path, stream(*([b"".join(parts)] if together else parts)))
    assert found == EVENTS[:2]
    assert isinstance(error, KubernetesUnavailable)
    assert "holds a line that isn't a change" in str(error)


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize(
    ("item", "kind"),
    [
        (status_object(410), ResourceExpired),
        (status_object(500, "etcd"), KubernetesUnavailable),
        (status_object(403, "no"), KubernetesError),
        ({"code": "410"}, KubernetesUnavailable),
        ("text", KubernetesUnavailable),
        (None, KubernetesUnavailable),
        ({"kind": "Status", "code": 410, "message": "n" * 5000}, ResourceExpired),
    ],
)
def test_an_error_in_the_stream_ends_it_after_what_came_before(
    tmp_path: Path, item: Any, kind: type[KubernetesError], together: bool
) -> None:
    parts = [line(EVENTS[0]), line(item, "ERROR")]
    found, error = watched(tmp_path, stream(*([b"".join(parts)] if together else parts)))
    assert found == [EVENTS[0]]
    assert type(error) is kind
    assert "very-secret-token" not in str(error)
    assert len(str(error)) < 600


def test_an_error_that_only_the_standard_library_reads_is_an_error_too(tmp_path: Path) -> None:
    bad = b'{"type":"ERROR","object":{"kind":"Status","code":410,"message":"\\ud800"}}\n'
    assert isinstance(watched(tmp_path, stream(bad))[1], ResourceExpired)


@pytest.mark.parametrize(
    ("step", "kind"),
    [
        (failing(410), ResourceExpired),
        (failing(401), KubernetesError),
        (failing(403), KubernetesError),
        (failing(429), KubernetesUnavailable),
        (failing(500), KubernetesUnavailable),
        (says(502, b"<html>bad gateway"), KubernetesUnavailable),
        (says(410, b"gone"), ResourceExpired),
    ],
)
def test_a_watch_that_is_refused_says_why(tmp_path: Path, step: Script, kind: type[KubernetesError]) -> None:
    found, error = watched(tmp_path, step)
    assert found == []
    assert type(error) is kind


def test_empty_lines_are_nothing(tmp_path: Path) -> None:
    assert watched(tmp_path, stream(b"\n", b" \n\n" + line(EVENTS[0]), then="end")) == ([EVENTS[0]], None)


@pytest.mark.parametrize("tls", [False, True])
def test_close_from_another_thread_ends_a_blocked_read_within_a_second(tmp_path: Path, tls: bool) -> None:
    certificate = make_certificate(tmp_path) if tls else None
    seen: list[Any] = []
    failures: list[BaseException] = []
    with FakeKubernetes(watches=[stream(line(EVENTS[0]))], tls=certificate.context if certificate else None) as server:
        cluster = {"certificate-authority": str(certificate.file)} if certificate else None
        api = connect(kubeconfig=kubeconfig(tmp_path, server.url, cluster=cluster))
        watch = Watch(api, PATH, "5")

        def read() -> None:
            try:
                with watch:
                    seen.extend(change.item for changes in watch for change in changes)
            except BaseException as error:  # noqa: BLE001 - the test's thread has to see it
                failures.append(error)

        thread = threading.Thread(target=read)
        thread.start()
        wait_until(lambda: server.requests, 2, "the watch")
        time.sleep(0.05)
        began = time.monotonic()
        watch.close()
        watch.close()
        thread.join(3)
        assert time.monotonic() - began < 1
        api.close()
    assert seen == [EVENTS[0]]
    assert failures == []


def test_closing_before_and_after_is_harmless(tmp_path: Path) -> None:
    with FakeKubernetes(watches=[stream(line(EVENTS[0]))]) as server:
        api = connect(kubeconfig=kubeconfig(tmp_path, server.url))
        with Watch(api, PATH, "5") as watch:
            watch.close()
            assert list(watch) == []
        watch.close()
        api.close()
