"""The account of log files: examples of what the kubelet and Fluent Bit do, and any sequence of it."""

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.logs import files
from sidecar.logs.files import Account, Lost, Plain, Position, Sight, Tracker, container_of

NOW = 1_800_000_000.0
C = "ns_pod_uid/app/"
CURRENT, OLD = f"{C}0.log", f"{C}0.log.20261122-100000"


@dataclass
class Story:
    """A tracker, and a clock that moves on a second with every look."""

    tracker: Tracker = field(default_factory=Tracker)
    now: float = NOW
    lost: list[Lost] = field(default_factory=list)

    def look(
        self,
        plain: dict[str, tuple[int, int]] | None = None,
        packed: dict[str, int] | None = None,
        read: dict[int, int] | None = None,
        *,
        filled: list[str] | None = None,
        broken: dict[str, int] | None = None,
        created: float = NOW,
    ) -> list[Lost]:
        self.now += 1
        positions = None if read is None else {inode: Position(offset, created) for inode, offset in read.items()}
        found = self.tracker.step(
            Sight(plain or {}, packed or {}), positions, now=self.now, filled=filled or [], broken=broken
        )
        self.lost += found
        return found

    @property
    def done(self) -> set[str]:
        return set(self.tracker.account.done)


def test_a_file_that_was_read_before_it_was_packed_is_not_read_again() -> None:
    story = Story()
    story.look({CURRENT: (1, 100)}, read={1: 60})
    story.look({OLD: (1, 120), CURRENT: (2, 5)}, read={1: 120, 2: 0})
    assert not story.done, "it may still grow: the runtime has it open"
    story.look({OLD: (1, 120), CURRENT: (2, 5)}, read={1: 120, 2: 0})
    assert story.done == {OLD}
    story.look({CURRENT: (2, 5)}, {OLD: 120}, read={2: 5})
    assert story.tracker.links == []
    assert story.lost == []
    story.look({CURRENT: (2, 5)}, {}, read={2: 5})
    assert story.done == set(), "what is gone is forgotten"


def test_a_file_that_grows_after_its_rotation_is_not_done() -> None:
    story = Story()
    for size in (100, 100, 150):
        story.look({OLD: (1, size)}, read={1: 100})
    assert not story.done
    story.look({}, {OLD: 150}, read={})
    assert story.tracker.links == [OLD]


def test_what_was_not_read_before_it_was_packed_is_read_through_a_link() -> None:
    story = Story()
    for _ in range(3):
        story.look({OLD: (1, 120)}, read={1: 60})
    story.look({OLD: (1, 120)}, {OLD: 120}, read={1: 60})
    assert story.tracker.links == [], "the plain file is still there"
    story.look({}, {OLD: 120}, read={})
    assert story.tracker.links == [OLD]
    story.look({}, {OLD: 120}, read={}, filled=[OLD])
    assert (story.tracker.links, story.done, story.lost) == ([], {OLD}, [])


def test_fluent_bit_may_finish_a_file_that_was_packed_meanwhile() -> None:
    story = Story()
    story.look({OLD: (1, 120)}, read={1: 60})
    story.look({}, {OLD: 120}, read={1: 60})
    assert story.tracker.links == [OLD]
    story.look({}, {OLD: 120}, read={1: 120})
    assert (story.tracker.links, story.done) == ([], {OLD})


def test_the_inode_of_a_packed_file_may_be_another_files_soon() -> None:
    story = Story()
    story.look({OLD: (1, 120)}, read={1: 60})
    story.look({CURRENT: (1, 500)}, {OLD: 120}, read={1: 120})
    story.look({CURRENT: (1, 500)}, {OLD: 120}, read={1: 500})
    assert story.tracker.links == [OLD]


def test_on_a_new_node_every_gzip_file_is_read() -> None:
    story = Story()
    story.look({}, {f"{OLD}{i}": 10 for i in range(5)}, read={})
    assert len(story.tracker.links) == 5


def test_links_are_few_and_the_oldest_come_first() -> None:
    story = Story()
    names = [f"{C}0.log.{i:04}" for i in range(files.MOST_LINKS + 10)]
    story.look({}, dict.fromkeys(names[5:], 10), read={})
    first = story.tracker.links
    assert first == names[5 : 5 + files.MOST_LINKS]
    story.look({}, dict.fromkeys(names, 10), read={}, filled=first[:1])
    assert story.tracker.links == [*first[1:], names[0]], "what is being read stays"


def test_an_empty_gzip_file_is_done() -> None:
    story = Story()
    story.look({}, {OLD: 0}, read={})
    assert story.done == {OLD}


def test_a_gzip_file_that_goes_before_it_was_read_is_lost() -> None:
    story = Story()
    story.look({OLD: (1, 120)}, read={1: 50})
    story.look({}, {OLD: 120}, read={})
    assert story.look({}, {}, read={}) == [Lost(OLD, 70)]
    assert story.look({}, {}, read={}) == []


def test_a_gzip_file_without_an_end_is_given_up_and_what_it_lacks_is_lost() -> None:
    story = Story()
    story.look({}, {OLD: 120}, read={})
    assert story.look({}, {OLD: 120}, read={}, broken={OLD: 100}) == [Lost(OLD, 20)]
    assert (story.done, story.tracker.links) == ({OLD}, [])


def test_a_pods_folder_that_goes_with_unread_bytes_is_lost_once_fluent_bit_has_closed_it() -> None:
    story = Story()
    story.look({CURRENT: (1, 100)}, read={1: 40})
    assert story.look({}, read={1: 60}) == []
    assert story.look({}, read={1: 70}) == []
    assert story.look({}, read={}) == [Lost(CURRENT, 30)]


def test_what_fluent_bit_reads_after_the_removal_is_not_lost() -> None:
    story = Story()
    story.look({CURRENT: (1, 100)}, read={1: 40})
    story.look({}, read={1: 60})
    story.look({}, read={1: 130})
    story.look({}, read={})
    assert story.lost == []


def test_without_positions_a_removed_file_is_waited_for_but_not_for_ever() -> None:
    story = Story()
    story.look({CURRENT: (1, 100)}, read={1: 40})
    for _ in range(int(files.LEAVING_SECONDS) + 1):
        assert story.look({}, read=None) == []
    assert story.look({}, read=None) == [Lost(CURRENT, 60)]


def test_a_truncated_file_begins_anew_and_what_was_unread_is_lost() -> None:
    story = Story()
    story.look({CURRENT: (1, 100)}, read={1: 40})
    assert story.look({CURRENT: (1, 10)}, read={1: 40}) == [Lost(CURRENT, 60)]
    story.look({CURRENT: (1, 60)}, read={1: 40})
    assert story.tracker.account.plain[CURRENT].read == 0, "that position is of what was there before"
    story.look({CURRENT: (1, 60)}, read={1: 50})
    assert story.tracker.account.plain[CURRENT].read == 50


def test_the_position_of_an_earlier_file_is_not_believed() -> None:
    story = Story()
    story.look({}, read={7: 100})
    for _ in range(3):
        story.look({OLD: (7, 80)}, read={7: 80})
    assert story.done == {OLD}, "it changed: it is this file's"
    story = Story()
    story.look({}, read={7: 80})
    for _ in range(3):
        story.look({OLD: (7, 80)}, read={7: 80})
    assert not story.done


def test_after_a_restart_positions_from_before_count_for_known_files_only() -> None:
    account = Account({CURRENT: Plain(1, 50, 50, 50)}, looked=NOW - 100)
    story = Story(Tracker(account))
    story.look({CURRENT: (1, 90), f"{C}1.log": (2, 90)}, read={1: 90, 2: 90}, created=NOW - 200)
    entries = story.tracker.account.plain
    assert (entries[CURRENT].read, entries[f"{C}1.log"].read) == (90, 0)


def test_after_a_rewind_nothing_recent_is_done_and_nothing_read_is_lost() -> None:
    story = Story()
    older = f"{C}0.log.20261122-090000"
    for _ in range(2):
        story.look({older: (3, 10)}, read={3: 10})
    for _ in range(2):
        story.look({OLD: (1, 100), CURRENT: (2, 20)}, {older: 10}, read={1: 100, 2: 20})
    for _ in range(2):
        story.look({CURRENT: (2, 20)}, {older: 10, OLD: 100}, read={2: 20})
    story.tracker.rewind(since=story.now - 3)
    assert story.done == {older}
    story.look({CURRENT: (2, 20)}, {older: 10, OLD: 100}, read=None)
    assert story.tracker.links == [OLD]
    story.look({}, {}, read={})
    assert story.lost == []


def test_the_container_of_a_path() -> None:
    assert container_of(OLD) == "ns/pod/app"


# Any sequence of looks

INODES = st.integers(1, 4)
STAMPS = [f"{C}0.log.{i}" for i in range(3)]
SIGHTS = st.tuples(
    st.dictionaries(st.sampled_from([CURRENT, *STAMPS]), st.tuples(INODES, st.integers(0, 30)), max_size=4),
    st.dictionaries(st.sampled_from(STAMPS), st.integers(0, 30), max_size=3),
    st.none() | st.dictionaries(INODES, st.integers(0, 40), max_size=4),
    st.lists(st.sampled_from(STAMPS), max_size=1),
    st.booleans(),
)


@settings(max_examples=400, deadline=None)
@given(st.lists(SIGHTS, max_size=12))
def test_a_gzip_file_is_done_or_linked_or_its_loss_is_counted(looks: list[tuple[object, ...]]) -> None:
    story = Story()
    for plain, packed, read, filled, rewind in looks:
        before = {path: entry.size - entry.ever for path, entry in story.tracker.account.packed.items()}
        if rewind:
            story.tracker.rewind(story.now - 3)
        lost = story.look(plain, packed, read, filled=filled)  # type: ignore[arg-type]
        account = story.tracker.account
        for path in packed:  # type: ignore[attr-defined]
            assert path in story.done or path in story.tracker.links or path in plain  # type: ignore[operator]
        for path, unread in before.items():
            if path not in packed and path not in plain and unread > 0:  # type: ignore[operator]
                assert any(loss.path == path and loss.bytes == unread for loss in lost)
        assert set(story.tracker.links) == set(account.packed)
        assert all(loss.bytes > 0 for loss in lost)
        assert set(account.done) <= set(plain) | set(packed)  # type: ignore[call-overload]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 20), st.booleans(), st.booleans(), st.floats(0, 1)), max_size=30))
def test_a_kubelet_at_work_loses_nothing_that_is_not_counted(steps: list[tuple[int, bool, bool, float]]) -> None:
    """A container writes, the kubelet rotates and packs, Fluent Bit reads some: at the end all is read or counted."""
    story = Story()
    inode, current, read = 1, 0, {1: 0}
    rotated: dict[str, tuple[int, int]] = {}
    packed: dict[str, int] = {}
    truth: dict[str, int] = {}
    for number, (written, rotate, pack, share) in enumerate(steps):
        current += written
        read[inode] = max(read[inode], int(current * share))
        if pack:
            for path, (old, size) in rotated.items():
                packed[path] = size
                truth[path] = read.pop(old)
            rotated = {}
        if rotate:
            rotated[f"{C}0.log.{number:04}"] = (inode, current)
            inode, current = inode + 1, 0
            read[inode] = 0
        story.look({**rotated, CURRENT: (inode, current)}, packed, dict(read))
        for path, size in packed.items():
            if truth[path] < size:
                assert path in story.tracker.links, "not all of it was read"
    assert story.lost == []
    story.look({}, {}, {})
    # Whatever was unread when the folder went is counted, and never less than that.
    unread = current - read[inode] + sum(size - read[old] for old, size in rotated.values())
    unread += sum(size - truth[path] for path, size in packed.items())
    assert sum(loss.bytes for loss in story.lost) >= unread
