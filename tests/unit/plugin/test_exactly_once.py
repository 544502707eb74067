"""Whatever kills the process, whenever: the records are those that the file's bytes say, each once by its id."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from tests.unit.plugin.node import STEPS, Written, check, node_of, perform, written_files

MODERATE = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@MODERATE
@given(files=written_files().filter(bool))
def test_an_undisturbed_reader_finds_what_the_bytes_say(files: list[Written]) -> None:
    with node_of(files) as node:
        node.finish()
        check(node)


@MODERATE
@given(files=written_files().filter(bool), steps=STEPS)
def test_no_disturbance_changes_what_is_found(files: list[Written], steps: list[tuple[Any, ...]]) -> None:
    with node_of(files) as node:
        for step in steps:
            perform(node, step)
        node.finish()
        check(node)


@pytest.mark.parametrize("compact", [1, 300])
@settings(MODERATE, max_examples=30)
@given(files=written_files().filter(bool), steps=STEPS)
def test_nor_does_a_journal_that_is_compacted(compact: int, files: list[Written], steps: list[tuple[Any, ...]]) -> None:
    with node_of(files, compact_bytes=compact) as node:
        for step in steps:
            perform(node, step)
        node.finish()
        check(node)
