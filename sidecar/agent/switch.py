"""From one configuration of Fluent Bit to another, or back to the one before: never to something in between."""

import logging

from sidecar.agent.node import Node
from sidecar.agent.reloads import Reloads
from sidecar.agent.verdict import Verdict
from sidecar.errors import SidecarError

log = logging.getLogger(__name__)


def switch(new: Node, old: Node, reloads: Reloads) -> Verdict | None:
    """Put the files of `new` in the place of those of `old`, and have a running Fluent Bit read them.

    Where it does not work with them, those of `old` are back when this returns, and a Fluent Bit that lives has read
    them; one that died reads them when it is started again.

    Returns:
        What came of the reload; None where there was nothing for Fluent Bit to read. Where that is well, `old` is
        retired.

    Raises:
        SidecarError: Something can't be read or written; then too `old` is back.
    """
    with reloads.lock:
        try:
            new.prepare()
            verdict = _load(new, old)
        except SidecarError:
            _back(old, reloads)
            raise
        if verdict is None or verdict.well:
            old.retire()
        elif verdict is not Verdict.STOPPED:
            _back(old, reloads)
        return verdict


def _load(new: Node, old: Node) -> Verdict | None:
    fallen: list[bool] = []

    def fall_back() -> None:
        # It ends in a second, and may be started again in the next: what it reads then must be good.
        fallen.append(True)
        _put(old)

    verdict = new.load(fall_back=fall_back)
    if fallen and verdict is Verdict.DONE:
        # It was only slow, and may have read something of both.
        new.prepare()
        verdict = new.load(again=True)
    return verdict


def _back(old: Node, reloads: Reloads) -> None:
    reason = reloads.reason
    if _put(old):
        try:
            old.load(again=True)
        except SidecarError as error:
            log.warning("what was before is back, and Fluent Bit does not take it yet: %s", error)
    reloads.reason = reason


def _put(node: Node) -> bool:
    try:
        node.prepare()
    except SidecarError as error:
        log.warning("what Fluent Bit had before can't be put back: %s", error)
        return False
    return True
