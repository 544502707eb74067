"""What holds of everything that is rendered, whatever is in the file."""

import hashlib
import json
import re
from fnmatch import fnmatchcase
from functools import cache

import yaml
from hypothesis import HealthCheck, given, settings

from sidecar import __version__
from sidecar.config import Config, loads
from sidecar.render import MANIFEST, render
from sidecar.render.dashboards import ndjson, saved_objects
from sidecar.render.filtering import _settings
from sidecar.render.fluentbit import fluent_bit
from sidecar.render.indices import DEAD_LETTER, UNDATED, families, index_pattern
from sidecar.render.layout import Layout
from sidecar.render.lua import SETTINGS
from sidecar.render.templates import index_templates
from tests.support.configurations import Json, configurations
from tests.support.lua import LuaJit, python
from tests.support.panels.question import by_id
from tests.support.panels.validator import faults
from tests.unit.render.test_lua import wanted

ANY = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@cache
def lua() -> LuaJit:
    return LuaJit()


def read(data: Json) -> Config:
    return loads(yaml.safe_dump(data, allow_unicode=True, sort_keys=False))


@ANY
@given(configurations())
def test_the_same_file_gives_the_same_bytes_and_the_manifest_has_their_hashes(data: Json) -> None:
    files = render(read(data))
    assert list(files.items()) == list(render(read(data)).items())

    manifest = json.loads(files.pop(MANIFEST))
    assert manifest["files"] == {name: hashlib.sha256(text.encode()).hexdigest() for name, text in files.items()}
    assert manifest["version"] == __version__


@ANY
@given(configurations())
def test_the_files_are_the_data(data: Json) -> None:
    config = read(data)
    files = render(config)
    text = files["fluent-bit.yaml"]

    assert yaml.safe_load(text) == json.loads(json.dumps(fluent_bit(config)))
    assert [token for token in yaml.scan(text) if isinstance(token, (yaml.AnchorToken, yaml.AliasToken))] == []
    assert (SETTINGS in files) == config.logs.enabled
    if config.logs.enabled:
        given_settings = wanted(json.loads(json.dumps(_settings(config, Layout.of(config)))))
        table = lua().eval("function(text) return assert(loadstring(text))() end")(files[SETTINGS].encode())
        assert python(table, like=given_settings) == given_settings
        for route in given_settings["routes"]:
            assert 1 <= route["family"] <= len(given_settings["families"])


def names(config: Config, *, of: str) -> set[str]:
    """Names of indices that a family comes to."""
    [family] = [family for family in families(config) if family.index == of]
    dates = [UNDATED, "skewed", "2026.11.22" if family.rotate == "daily" else "2026.11"]
    return {of} if family.rotate == "never" else {f"{of}-{date}" for date in dates}


@ANY
@given(configurations())
def test_every_index_has_one_pattern_and_a_legal_name(data: Json) -> None:
    config = read(data)
    patterns = {family.index: index_pattern(family) for family in families(config)} | {DEAD_LETTER: DEAD_LETTER}
    templates = [pattern for template in index_templates(config).values() for pattern in template["index_patterns"]]
    assert sorted(templates) == sorted(patterns.values())

    for index in patterns:
        for name in {DEAD_LETTER} if index == DEAD_LETTER else names(config, of=index):
            assert re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,254}", name)
            assert [family for family, pattern in patterns.items() if fnmatchcase(name, pattern)] == [index]


@ANY
@given(configurations())
def test_the_dashboards_are_whole(data: Json) -> None:
    objects = saved_objects(read(data))

    assert faults(by_id(objects)) == []
    # Another cluster with the same indices has the same ones.
    assert ndjson(objects) == ndjson(saved_objects(read({**data, "cluster": "another"})))
