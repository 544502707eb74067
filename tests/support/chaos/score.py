"""What is owed, and what OpenSearch holds of it."""

import datetime as dt
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from tests.support.chaos.load import Ledger, Version

GAP = "EventGap"
_SHOWN = 5


@dataclass(frozen=True)
class Gap:
    """A gap document: versions written after `start` and up to `end` (Unix seconds) may be lost."""

    start: float
    end: float
    cause: str

    @classmethod
    def of(cls, document: dict[str, Any]) -> "Gap":
        """The gap that a document tells.

        Raises:
            ValueError: It tells none.
        """
        try:
            told = document["gap"]
            return cls(_seconds(told["from"]), _seconds(told["to"]), str(told["cause"]))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ValueError(f"not a gap document: {document}") from error

    def excuses(self, version: Version, following: Version | None) -> bool:
        """Whether a version may be lost: written in the span, and replaced before the list at its end."""
        within = version.answered > self.start and version.sent <= self.end
        return within and following is not None and following.sent <= self.end


@dataclass(frozen=True)
class Score:
    """The outcome of a row.

    Attributes:
        owed: Versions that must be there.
        found: Those of them that are there.
        missing: Ids of those that aren't.
        twice: Ids that are there more than once, over all indices.
        unknown: Ids that nobody wrote.
        in_gap: Versions that a gap document excuses, there or not.
        lost: Those of them that aren't there.
        gaps: The gap documents.
    """

    owed: int
    found: int
    missing: tuple[str, ...]
    twice: tuple[str, ...]
    unknown: tuple[str, ...]
    in_gap: int
    lost: int
    gaps: tuple[Gap, ...]

    @property
    def perfect(self) -> bool:
        """Nothing missing, nothing twice, nothing made up; gap documents are judged by who knows the row."""
        return not (self.missing or self.twice or self.unknown)

    def __str__(self) -> str:
        return (
            f"owed {self.owed:,}, found {self.found:,}, missing {len(self.missing):,}, twice {len(self.twice):,}, "
            f"unknown {len(self.unknown):,}, in a gap {self.in_gap:,} ({self.lost:,} of them lost), "
            f"gaps {len(self.gaps)}"
        )

    def details(self) -> str:
        """The score with examples."""
        lists = {"missing": self.missing, "twice": self.twice, "unknown": self.unknown}
        lines = [f"{name}: {', '.join(ids[:_SHOWN])}" for name, ids in lists.items() if ids]
        lines += [f"gap: {_text(gap.start)} to {_text(gap.end)}: {gap.cause}" for gap in self.gaps]
        return "\n".join([str(self), *lines])


def score(ledger: Ledger, documents: Iterable[dict[str, Any]], namespace: str) -> Score:
    """Compare what was written with the documents that are there.

    Args:
        ledger: What was written.
        documents: The source of every document of the events' indices; one that is there twice comes twice.
        namespace: Of the Events that were written; those of others are passed over.
    """
    counts: Counter[str] = Counter()
    gap_ids: Counter[str] = Counter()
    gaps = []
    for document in documents:
        if document.get("kind") == GAP:
            gap_ids[str(document.get("id"))] += 1
            gaps.append(Gap.of(document))
        elif (document.get("metadata") or {}).get("namespace") == namespace:
            counts[document["id"]] += 1
    excused = _excused(ledger, gaps)
    written = ledger.ids
    owed = written - excused
    twice = [id_ for id_, count in (counts + gap_ids).items() if count > 1]
    return Score(
        owed=len(owed),
        found=len(owed & counts.keys()),
        missing=tuple(sorted(owed - counts.keys())),
        twice=tuple(sorted(twice)),
        unknown=tuple(sorted(counts.keys() - written)),
        in_gap=len(excused),
        lost=len(excused - counts.keys()),
        gaps=tuple(gaps),
    )


def _excused(ledger: Ledger, gaps: list[Gap]) -> set[str]:
    if not gaps:
        return set()
    return {
        version.id
        for versions in ledger.versions.values()
        for version, following in pairwise([*versions, None])
        if version is not None and any(gap.excuses(version, following) for gap in gaps)
    }


def _seconds(text: str) -> float:
    """Of an RFC 3339 time."""
    return dt.datetime.fromisoformat(text).timestamp()


def _text(seconds: float) -> str:
    return dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat(timespec="milliseconds")
