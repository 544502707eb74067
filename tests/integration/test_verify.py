"""A trial start with the real Fluent Bit: what is rendered starts, and what can't start is told."""

import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from sidecar.agent.trial import verify
from sidecar.config import loads
from sidecar.errors import ConfigError, RenderError
from tests.support.fakes.tls import make_certificate

TRIES = 12


def _any_pipeline(choose: random.Random, folder: Path) -> dict[str, Any]:
    """A pipeline.yaml with every key at one of its good values, or at an odd one that must be refused."""
    certificate = make_certificate(folder).file
    secret = [{"env": "NAME"}, {"file": "/run/secrets/x"}]
    return {
        "cluster": choose.choice(["c", "arn:aws:eks:eu-west-1:1:cluster/x", "a" * 256, "ü", "$HOME"]),
        "opensearch": {
            "url": choose.choice(
                ["http://h", "https://h:1/p/q", "https://[::1]:9200", "https://h/a b", "http://h/%41"]
            ),
            "version": choose.choice(["2.11", "2.19", "3.4", "1.3"]),
            "auth": choose.choice(
                [{}, {"basic": {"username": choose.choice(secret), "password": choose.choice(secret)}}]
            ),
            "tls": choose.choice([{}, {"verify": False}, {"ca": str(certificate)}]),
        },
        "events": {
            "index": choose.choice(["events", "a.b-c_d", "x" * 240, "-x", "$index", "UPPER"]),
            **choose.choice([{"rotate": "never"}, {"rotate": "monthly", "retain": "90d"}, {"retain": "1d"}, {}]),
            "journal": choose.choice(["16MiB", "1.5GiB", "1B"]),
        },
        "paths": choose.choice([{}, {"state": "/a b/ü", "run": "/r u n/%Y:#'x"}, {"state": "/s*"}]),
        "fluentbit": {"version": choose.choice(["5.1.1", "5.2.0", "4.0.0"]), "port": choose.choice([2020, 65535])},
    }


@pytest.mark.timeout(180)
def test_whatever_is_accepted_starts(tmp_path: Path, fluent_bit: Path) -> None:
    choose = random.Random(20)
    tried = refused = 0
    while tried < TRIES:
        text = yaml.safe_dump(_any_pipeline(choose, tmp_path))
        try:
            config = loads(text)
        except ConfigError as error:
            refused += all(problem.line for problem in error.problems)
            continue
        assert verify(config, program=str(fluent_bit)), text
        tried += 1
    assert refused > 0


def test_a_ca_that_is_not_there_is_found_before_it_does_harm(tmp_path: Path, fluent_bit: Path) -> None:
    config = loads(f"cluster: c\nopensearch: {{url: 'https://h', tls: {{ca: {tmp_path}/none.pem}}}}\n")
    with pytest.raises(RenderError, match=r"does not start with this configuration:\n(.|\n)*none\.pem"):
        verify(config, program=str(fluent_bit))


def test_the_command_says_what_it_tried_with(tmp_path: Path, fluent_bit: Path) -> None:
    file = tmp_path / "pipeline.yaml"
    file.write_text("cluster: c\nopensearch: {url: http://h}\n")
    command = [sys.executable, "-m", "sidecar", "render-config", "-c", str(file), "--verify"]

    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    hidden = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=60, env={"PATH": str(tmp_path)}
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Fluent Bit 5.")
    assert shutil.which("fluent-bit") == str(fluent_bit)
    assert hidden.returncode == 1
    assert "fluent-bit is not on PATH" in hidden.stderr
