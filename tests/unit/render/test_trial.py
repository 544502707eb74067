"""The copy for a trial start keeps what is to be tried, and reaches nothing else."""

import copy
import json

from sidecar.config import loads
from sidecar.render.fluentbit import fluent_bit
from sidecar.render.trial import harmless

CONFIG = loads(
    "cluster: c\nopensearch: {url: 'https://opensearch.example:9243', tls: {ca: /etc/ca.crt},"
    " auth: {basic: {username: {env: U}, password: {env: P}}}}\npaths: {state: /state, run: /run/x}\n"
)


def test_it_names_no_place_of_the_real_one() -> None:
    text = json.dumps(harmless(fluent_bit(CONFIG), "/scratch", 12345))
    for place in ("/state", "/run/x", "opensearch.example", "9243", "2020"):
        assert place not in text


def test_it_keeps_plugins_and_their_options() -> None:
    content = fluent_bit(CONFIG)
    trial = harmless(content, "/scratch", 12345)
    for kind in ("inputs", "filters", "outputs"):
        for plugin, tried in zip(content["pipeline"][kind], trial["pipeline"][kind], strict=True):
            assert plugin.keys() == tried.keys()
            assert {key for key in plugin if plugin[key] != tried[key]} <= {"path", "db", "host", "port"}
    assert trial["pipeline"]["outputs"][0]["tls.ca_file"] == "/etc/ca.crt"
    assert {entry["name"] for entry in content["env"]} == {entry["name"] for entry in trial["env"]}
    assert not any("uri" in entry for entry in trial["env"])


def test_the_original_stays_as_it_is() -> None:
    content = fluent_bit(CONFIG)
    before = copy.deepcopy(content)
    harmless(content, "/scratch", 12345)
    assert content == before
