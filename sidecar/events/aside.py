"""Documents set aside: their index takes none while others do, so they must not hold up the others.

A red, blocked or closed index is that index's own trouble as long as another index takes documents; if none does, it is
an outage. Which it is can be told only by going on: its documents are kept here meanwhile, in memory, of bounded size,
and still in the journal.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from sidecar.events.reader import Place
from sidecar.opensearch import Document, Outcome, Verdict

_LASTING_SECONDS = 300.0
_FADING_SECONDS = 60.0
_RETRY_SECONDS = 20.0
"""Less than it takes a trouble to fade. A bulk request waits five seconds for a shard that isn't there."""
_MOST_DOCUMENTS, _MOST_BYTES = 10_000, 16 * 1024 * 1024
_MOST_RETRIED = 1000
_MOST_INDICES = 64
_OVERLOAD = 429
_BLOCK = "cluster_block_exception"


@dataclass(frozen=True, slots=True)
class Held:
    """A document, the place of its batch in the journal, and since when it waits."""

    document: Document
    place: Place
    since: float


@dataclass(slots=True)
class _Trouble:
    since: float
    last: float
    outcome: Outcome


def unusable(outcome: Outcome) -> bool:
    """Whether an outcome speaks of the index, not of the document or of the load."""
    # A disk that is full blocks an index with 429, too.
    return outcome.verdict is Verdict.LATER and outcome.status != 0 and (
        outcome.status != _OVERLOAD or outcome.type == _BLOCK
    )  # fmt: skip


class Aside:
    """What is set aside, and how the indices do. Use it from one thread.

    Args:
        clock: Monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._held: dict[str, list[Held]] = {}
        self._documents = self._bytes = 0
        self._retry_at = 0.0
        self._troubles: dict[str, _Trouble] = {}
        self._taken: dict[str, float] = {}

    def __len__(self) -> int:
        return self._documents

    @property
    def full(self) -> bool:
        """Whether nothing more is taken."""
        return self._documents >= _MOST_DOCUMENTS or self._bytes >= _MOST_BYTES

    @property
    def place(self) -> Place | None:
        """Before the oldest in the journal; None where there is nothing."""
        return min((held[0].place for held in self._held.values()), default=None)

    @property
    def since(self) -> float | None:
        """Since when the oldest waits."""
        return min((held[0].since for held in self._held.values()), default=None)

    @property
    def outage(self) -> Outcome | None:
        """What OpenSearch says where documents wait here, and no other index takes any; None elsewhere."""
        troubles = [(index, self._troubles[index]) for index in self._held if index in self._troubles]
        if len(troubles) < len(self._held) or not troubles:
            return None
        if any(self._is_its_own(index, leeway=_FADING_SECONDS) for index, _ in troubles):
            return None
        return troubles[0][1].outcome

    def put(self, documents: Iterable[Document], place: Place, since: float) -> list[Document]:
        """Set documents aside; those for which there is no room come back."""
        back = []
        if not self._held:
            self._retry_at = self._clock() + _RETRY_SECONDS
        for document in documents:
            if self.full:
                back.append(document)
            else:
                self._held.setdefault(document.index, []).append(Held(document, place, since))
                self._count(document, 1)
        return back

    def due(self) -> list[Held]:
        """What is to be tried again now, of each index the oldest: one alone where it would likely be in vain."""
        if not self._held or self._clock() < self._retry_at:
            return []
        self._retry_at = self._clock() + _RETRY_SECONDS
        tried = []
        for index, held in self._held.items():
            likely = not self.troubled(index) or self.lasting(index)
            tried += held[: _MOST_RETRIED if likely else 1]
        return tried

    def drop(self, tried: Sequence[Held]) -> None:
        """These are done with."""
        gone = {id(held) for held in tried}
        for index in {held.document.index for held in tried}:
            rest = [held for held in self._held[index] if id(held) not in gone]
            if rest:
                self._held[index] = rest
            else:
                del self._held[index]
        for held in tried:
            self._count(held.document, -1)

    def soon(self) -> None:
        """All that was tried is done with: the rest is tried at the next opportunity."""
        self._retry_at = self._clock()

    def observe(self, documents: Sequence[Document], outcomes: Sequence[Outcome]) -> None:
        """See from the outcomes of a request how the indices do."""
        now = self._clock()
        pairs = list(zip(documents, outcomes, strict=True))
        failing = {document.index: outcome for document, outcome in pairs if unusable(outcome)}
        for index in {document.index for document, outcome in pairs if outcome.verdict is Verdict.STORED}:
            if index not in failing:
                self._troubles.pop(index, None)
            self._note(index, now)
        for index, outcome in failing.items():
            since = self._troubles[index].since if self.troubled(index) else now
            self._troubles[index] = _Trouble(since, now, outcome)
        self._troubles = {
            index: trouble for index, trouble in self._troubles.items() if index in self._held or self.troubled(index)
        }

    def found(self, indices: Iterable[str]) -> None:
        """Documents of these indices have arrived."""
        for index in set(indices):
            if index not in self._held:  # else the next attempt tells: one of its shards may be gone
                self._troubles.pop(index, None)
            self._note(index, self._clock())

    def troubled(self, index: str) -> bool:
        """Whether an index took nothing when it was last asked, less than a minute ago."""
        trouble = self._troubles.get(index)
        return trouble is not None and self._clock() - trouble.last <= _FADING_SECONDS

    def lasting(self, index: str) -> bool:
        """Whether an index has been of no use for so long, while others were, that its documents wait no more."""
        lasts = self.troubled(index) and self._clock() - self._troubles[index].since >= _LASTING_SECONDS
        return lasts and self._is_its_own(index)

    def gives_up(self, index: str, outcome: Outcome) -> bool:
        """Whether a document that was just tried is to go to the dead letters; never for an overload."""
        return unusable(outcome) and outcome.status != _OVERLOAD and self.lasting(index)

    def _is_its_own(self, index: str, *, leeway: float = 0.0) -> bool:
        """Whether others took documents since the trouble began; for a while, also shortly before."""
        since, now = self._troubles[index].since, self._clock()
        return any(
            (moment >= since or (moment >= since - leeway and now - moment < _LASTING_SECONDS))
            and other != index
            and not self.troubled(other)
            for other, moment in self._taken.items()
        )

    def _note(self, index: str, now: float) -> None:
        self._taken.pop(index, None)
        self._taken[index] = now
        if len(self._taken) > _MOST_INDICES:
            del self._taken[next(iter(self._taken))]

    def _count(self, document: Document, sign: int) -> None:
        self._documents += sign
        self._bytes += sign * len(document.source)
