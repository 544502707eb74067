"""The plugins of a configuration, as Fluent Bit's metrics name them."""

from sidecar.config import loads
from sidecar.render.fluentbit import fluent_bit
from sidecar.render.plugins import plugins


def test_by_alias_or_by_name_and_place() -> None:
    content = {
        "pipeline": {
            "inputs": [{"name": "tail", "alias": "mine"}, {"Name": "Dummy"}],
            "filters": [{"name": "grep"}],
            "outputs": [{"name": "null", "Alias": "away"}],
        }
    }
    assert plugins(content) == {"input mine", "input dummy.1", "filter grep.0", "output away"}


def test_of_what_is_rendered() -> None:
    found = plugins(fluent_bit(loads("cluster: c\nopensearch: {url: https://h}\n")))
    assert {"input events", "output events", "output logs"} <= found
