"""The engine: one kind's failure keeps no other from its work, and nothing is overwritten that isn't kept."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from sidecar.errors import OpenSearchError, OpenSearchUnavailable
from sidecar.opensearch.client import refused
from sidecar.opensearch.manage import Action, Item, Kind, Outcome, Present, Server
from sidecar.opensearch.manage.backup import Backup
from sidecar.opensearch.manage.diff import difference
from sidecar.opensearch.manage.engine import carry_out, changes, plan, plan_removal
from sidecar.opensearch.manage.kind import Json, Result

SERVER = Server("2.19.4")


class Things(Kind):
    """Things that a dictionary keeps; `fails` has errors by name, or by "present"."""

    title = "thing"

    def __init__(self, wanted: Mapping[str, Json], there: dict[str, Present] | None = None) -> None:
        self._wanted = wanted
        self.there = there if there is not None else {}
        self.fails: dict[str, OpenSearchError] = {}
        self.tried: list[str] = []

    @property
    def wanted(self) -> Mapping[str, Json]:
        return self._wanted

    def present(self) -> Mapping[str, Present]:
        self._try("present")
        return self.there

    def canonical(self, body: Json) -> Json:
        return {key: value for key, value in body.items() if not key.startswith("server")}

    def put(self, item: Item) -> str:
        self._try(item.name)
        self.there[item.name] = Present(item.body | {"server": 1}, ours=True)
        return ""

    def delete(self, name: str, before: Present) -> None:
        self._try(name)
        assert self.there.pop(name) is before

    def kept(self, before: Present) -> Json:
        return {key: value for key, value in before.body.items() if key != "secret"}

    def _try(self, name: str) -> None:
        self.tried.append(name)
        if name in self.fails:
            raise self.fails[name]


@pytest.fixture
def backup(tmp_path: Path) -> Backup:
    return Backup(tmp_path / "kept")


def apply(*kinds: Kind, backup: Backup) -> dict[str, Outcome]:
    return {outcome.change.name: outcome for outcome in carry_out(plan(kinds, SERVER), backup)}


def test_a_kind_that_can_not_be_read_is_told_as_a_whole_and_the_others_go_on(backup: Backup) -> None:
    first, second = Things({"a": {}}), Things({"b": {}})
    first.fails["present"] = refused("no permissions for [x:get]", 403, "lacks x:get")
    done = apply(first, second, backup=backup)
    assert (done[""].change.action, done[""].change.reason) == (
        Action.REFUSED,
        "no permissions for [x:get] (lacks x:get)",
    )
    assert second.there.keys() == {"b"}
    assert first.tried == ["present"]


def test_an_object_that_is_refused_keeps_no_other_from_being_put(backup: Backup) -> None:
    things = Things({name: {} for name in "abc"})
    things.fails["b"] = refused("odd", 400, "")
    done = apply(things, backup=backup)
    assert {name: one.error for name, one in done.items()} == {"a": "", "b": "odd", "c": ""}


@pytest.mark.parametrize("error", [refused("no", 403, "lacks put"), OpenSearchUnavailable("away")])
def test_what_would_fail_for_all_is_tried_once(backup: Backup, error: OpenSearchError) -> None:
    things, others = Things({name: {} for name in "abc"}), Things({"x": {}})
    things.fails["b"] = error
    done = apply(things, others, backup=backup)
    assert [bool(done[name].error) for name in "abcx"] == [False, True, True, False]
    assert things.tried == ["present", "a", "b"]
    things.fails.clear()
    assert {name: one.change.action for name, one in apply(things, backup=backup).items()} == {
        "a": Action.UNCHANGED,
        "b": Action.CREATE,
        "c": Action.CREATE,
    }


@pytest.mark.parametrize(("edited", "kept"), [(True, True), (None, True), (False, False)])
def test_what_is_overwritten_is_kept_unless_it_is_known_to_be_ours(
    backup: Backup, edited: bool | None, kept: bool
) -> None:
    there = {"a/../b": Present({"v": 1, "secret": "s"}, ours=True, edited=edited)}
    done = apply(Things({"a/../b": {"v": 2}}, there), backup=backup)["a/../b"]
    assert bool(done.backup) is kept
    assert done.change.edited is bool(edited)
    if kept:
        file = Path(done.backup)
        assert (file.parent.name, file.name) == ("thing", "a_.._b.json")
        assert json.loads(file.read_text()) == {"v": 1}
        assert file.stat().st_mode & 0o077 == 0


def test_what_can_not_be_kept_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    things = Things({"a": {"v": 2}, "b": {}}, {"a": Present({"v": 1}, ours=True)})
    done = apply(things, backup=Backup(tmp_path / "file"))
    assert "can't be backed up before it is overwritten" in done["a"].error
    assert "--backup DIR" in done["a"].error
    assert things.there["a"].body == {"v": 1}
    assert done["b"].error == ""
    assert things.tried == ["present", "b"], "what is new needs no backup"


def test_names_that_make_the_same_file_are_kept_apart(backup: Backup) -> None:
    bodies: dict[str, Json] = {"a/b": {"v": 1}, "a b": {"v": 2}, "a:b": {"v": "half a character: \ud83d"}}
    things = Things(
        {name: {"v": 3} for name in bodies}, {name: Present(body, ours=True) for name, body in bodies.items()}
    )
    done = apply(things, backup=backup)
    assert [Path(done[name].backup).name for name in bodies] == ["a_b.json", "a_b~2.json", "a_b~3.json"]
    for name, body in bodies.items():
        text = Path(done[name].backup).read_bytes().decode("utf-8", "surrogatepass")
        assert json.loads(text) == body


def test_what_fails_in_the_middle_of_many_is_told_of_each(backup: Backup) -> None:
    class Bulk(Things):
        def put_all(self, items: Sequence[Item]) -> Iterator[Result]:
            yield Result(items[0].name)
            raise OpenSearchUnavailable("away")

    done = apply(Bulk({name: {} for name in "abc"}), backup=backup)
    assert {name: one.error for name, one in done.items()} == {"a": "", "b": "away", "c": "away"}


@pytest.mark.parametrize("where", ["present", "b"])
def test_an_answer_that_nobody_foresaw_costs_one_kind(backup: Backup, where: str) -> None:
    class Odd(Things):
        def _try(self, name: str) -> None:
            if name == where:
                int("hooks.example/secret")

    odd, others = Odd({name: {} for name in "abc"}), Things({"x": {}})
    done = apply(odd, others, backup=backup)
    told = done[""].change.reason if where == "present" else done["b"].error
    assert told.startswith("thing: what the server answers can't be understood (ValueError)")
    assert "secret" not in told
    assert others.there.keys() == {"x"}


def test_only_what_is_ours_is_deleted_last_kind_first(backup: Backup) -> None:
    first = Things({"a": {}, "b": {}}, {"a": Present({}, ours=True), "b": Present({}, ours=False)})
    second = Things({"c": {}}, {"c": Present({}, ours=True), "old": Present({}, ours=True)})
    planned = plan_removal([first, second], SERVER)
    assert [change.name for change in changes(planned)] == ["c", "a"]
    assert {outcome.error for outcome in carry_out(planned, backup)} == {""}
    assert (list(first.there), list(second.there)) == (["b"], ["old"])
    assert [change.name for change in changes(plan_removal([first, second], SERVER, leftovers=True))] == ["old"]


def test_a_deletion_that_fails_is_told(backup: Backup) -> None:
    things = Things({"a": {}}, {"a": Present({}, ours=True)})
    things.fails["a"] = refused("in use", 400, "")
    (outcome,) = carry_out(plan_removal([things], SERVER), backup)
    assert outcome.error == "in use"
    assert outcome.as_json() | {"effect": "", "diff": ""} == {
        "kind": "thing", "name": "a", "action": "delete", "diff": "", "effect": "", "reason": "", "warning": "",
        "edited": False, "error": "in use", "note": "", "backup": "",
    }  # fmt: skip


def test_a_diff_is_of_canonical_json_in_a_fixed_order() -> None:
    assert difference({"b": 1, "a": [1]}, {"a": [1], "b": 1}) == ""
    assert difference({"a": 1}, {"a": 2}).splitlines()[2:] == ["@@ -1,3 +1,3 @@", " {", '-  "a": 1', '+  "a": 2', " }"]
    assert difference(None, {"a": 1}).splitlines()[2:] == ["@@ -0,0 +1,3 @@", "+{", '+  "a": 1', "+}"]
