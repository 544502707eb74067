"""Plans and carries out: for each kind, in its order, what is wanted against what is there. It knows no kind."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from sidecar.errors import OpenSearchError, OpenSearchUnavailable
from sidecar.opensearch.manage.backup import Backup
from sidecar.opensearch.manage.change import Action, Change, Outcome
from sidecar.opensearch.manage.diff import difference
from sidecar.opensearch.manage.kind import Item, Json, Kind, Present, Result
from sidecar.opensearch.manage.server import Server

_FOREIGN = (
    "the server has one of this name that lacks the mark of fluent-sidecar; it is left alone: rename or delete it, or "
    "choose another name in pipeline.yaml"
)


@dataclass(frozen=True)
class Planned:
    """The changes of one kind."""

    kind: Kind = field(repr=False)
    changes: Sequence[Change]
    present: Mapping[str, Present] = field(default_factory=dict, repr=False)


def plan(kinds: Iterable[Kind], server: Server) -> list[Planned]:
    """What `carry_out` would do; changes nothing."""
    return [_plan_kind(kind, server) for kind in kinds]


def plan_removal(kinds: Sequence[Kind], server: Server, *, leftovers: bool = False) -> list[Planned]:
    """What is to be deleted of what the project made, in the order in which it can be.

    Args:
        kinds: In the order in which they are put.
        server: What it is.
        leftovers: What pipeline.yaml doesn't name instead, of an earlier one.
    """
    return [_plan_removal(kind, server, leftovers=leftovers) for kind in reversed(kinds)]


def carry_out(planned: Iterable[Planned], backup: Backup) -> Iterator[Outcome]:
    """Do what is planned, and tell of each change once it is done, or has failed. Safe to repeat at any point.

    What can't be backed up is not overwritten.
    """
    for kind in planned:
        yield from _carry_out(kind, backup)


def changes(planned: Iterable[Planned]) -> Iterator[Change]:
    """All changes, in their order."""
    for kind in planned:
        yield from kind.changes


def _plan_kind(kind: Kind, server: Server) -> Planned:
    try:
        with _understood(kind):
            if reason := kind.unsupported(server):
                return Planned(kind, [Change(kind.title, "", Action.UNSUPPORTED, reason=reason)])
            present = kind.present()
            found = [_decide(kind, name, body, present.get(name)) for name, body in kind.wanted.items()]
            found += [Change(kind.title, name, Action.LEFTOVER) for name in _leftovers(kind, present)]
    except OpenSearchError as error:
        return Planned(kind, [Change(kind.title, "", Action.REFUSED, reason=str(error))])
    return Planned(kind, found, present)


def _leftovers(kind: Kind, present: Mapping[str, Present]) -> list[str]:
    """What an earlier pipeline.yaml named; not what is another cluster's."""
    mine = ((name, there) for name, there in present.items() if there.ours and name not in kind.wanted)
    return sorted(name for name, there in mine if not kind.needed(name, there))


def _decide(kind: Kind, name: str, body: Json, before: Present | None) -> Change:
    title = kind.title
    if before is not None and not before.ours:
        return Change(title, name, Action.REFUSED, reason=_FOREIGN)
    wanted, there = kind.canonical(body), kind.canonical(before.body) if before else None
    warning = kind.warning(name)
    if wanted == there:
        if waiting := kind.waiting(name):
            return Change(title, name, Action.WAITING, effect=waiting, warning=warning)
        return Change(title, name, Action.UNCHANGED, warning=warning)
    if obstacle := kind.obstacle(name):
        return Change(title, name, Action.REFUSED, reason=obstacle)
    return Change(
        title,
        name,
        Action.UPDATE if before else Action.CREATE,
        diff="" if kind.brief and there is None else difference(there, wanted),
        effect=kind.effect(name, before),
        warning=warning,
        edited=bool(before and before.edited),
    )


def _plan_removal(kind: Kind, server: Server, *, leftovers: bool) -> Planned:
    try:
        with _understood(kind):
            present = {} if kind.unsupported(server) else kind.present()
            named = [name for name in kind.wanted if name in present and present[name].ours]
            going = _leftovers(kind, present) if leftovers else named
            found = [_removed(kind, name, present[name]) for name in going]
    except OpenSearchError as error:
        return Planned(kind, [Change(kind.title, "", Action.REFUSED, reason=str(error))])
    return Planned(kind, found, present)


def _removed(kind: Kind, name: str, before: Present) -> Change:
    if needed := kind.needed(name, before):
        return Change(kind.title, name, Action.RELEASE, effect=needed)
    return Change(kind.title, name, Action.DELETE, effect=kind.loss(name, before))


def _carry_out(planned: Planned, backup: Backup) -> Iterator[Outcome]:
    kind, saved = planned.kind, {}
    due: dict[str, Change] = {}
    for change in planned.changes:
        before = planned.present.get(change.name)
        if change.action in {Action.CREATE, Action.UPDATE}:
            try:
                if before and before.edited is not False:
                    saved[change.name] = backup.keep(kind.title, change.name, kind.kept(before))
                due[change.name] = change
            except OpenSearchError as error:
                yield Outcome(change, str(error))
        elif change.action in {Action.DELETE, Action.RELEASE}:
            assert before is not None
            yield _remove(kind, change, before)
        elif change.action is Action.WAITING:
            yield _nudge(kind, change)
        else:
            yield Outcome(change)
    items = [Item(name, kind.wanted[name], planned.present.get(name)) for name in due]
    for result in _put_all(kind, items) if items else ():
        failure = str(result.error) if result.error else ""
        yield Outcome(due[result.name], failure, result.note, saved.get(result.name, ""))


def _put_all(kind: Kind, items: Sequence[Item]) -> Iterator[Result]:
    left = [item.name for item in items]
    try:
        with _understood(kind):
            for result in kind.put_all(items):
                left.remove(result.name)
                yield result
    except OpenSearchError as error:
        for name in left:
            yield Result(name, error)


@contextmanager
def _understood(kind: Kind) -> Iterator[None]:
    """What a server, or a proxy before it, answers in a form that nobody foresaw costs one kind, not all that runs.

    Raises:
        OpenSearchUnavailable: Of such an answer. What is in it isn't repeated: it could be secret.
    """
    try:
        yield
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise OpenSearchUnavailable(
            f"{kind.title}: what the server answers can't be understood ({type(error).__name__})",
            hint="is a proxy in between? If not, please report it, with the version of the server",
        ) from error


def _remove(kind: Kind, change: Change, before: Present) -> Outcome:
    remove = kind.delete if change.action is Action.DELETE else kind.release
    try:
        with _understood(kind):
            remove(change.name, before)
    except OpenSearchError as error:
        return Outcome(change, str(error))
    return Outcome(change)


def _nudge(kind: Kind, change: Change) -> Outcome:
    try:
        with _understood(kind):
            return Outcome(change, note=kind.nudge(change.name))
    except OpenSearchError as error:
        return Outcome(change, str(error))
