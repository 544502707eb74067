"""Start a real Fluent Bit on a harmless copy of the configuration: does it come up, and without an error?"""

import re
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from sidecar.agent.child import running
from sidecar.agent.fluentbit import FluentBit
from sidecar.agent.ports import free_ports
from sidecar.config import Config
from sidecar.errors import RenderError
from sidecar.render import to_yaml
from sidecar.render.filtering import settings
from sidecar.render.fluentbit import fluent_bit
from sidecar.render.layout import Layout
from sidecar.render.lua import SETTINGS, scripts
from sidecar.render.trial import harmless

if TYPE_CHECKING:
    import subprocess

_START_SECONDS = 15.0
_MOST_LINES = 8


def verify(config: Config, *, program: str = "fluent-bit", stop: Callable[[], bool] = lambda: False) -> str:
    """Try the Fluent Bit configuration of `config`.

    Args:
        config: pipeline.yaml.
        program: Its name, or its path.
        stop: Asked while it starts; True gives up, as if it did not start.

    Returns:
        The version that was tried with.

    Raises:
        RenderError: There is no such program, or it does not start with it; with its own words.
    """
    path = shutil.which(program)
    if path is None:
        raise RenderError(f"{program} is not on PATH", hint=f"install Fluent Bit {config.fluentbit.version} or newer")
    with tempfile.TemporaryDirectory(prefix="fluent-sidecar-trial-") as folder:
        for name in ("chunks", "input", "state", "run"):
            (Path(folder) / name).mkdir()
        _write_filter(config, Path(folder))
        file = Path(folder) / "fluent-bit.yaml"
        content = fluent_bit(config)
        with free_ports(1 + sum(map(len, content["pipeline"].values()))) as ports:
            pass  # free again, for Fluent Bit
        file.write_text(to_yaml(harmless(content, folder, iter(ports))))
        return _try(path, file, ports[0], stop)


def _write_filter(config: Config, folder: Path) -> None:
    """The filter's files, with settings that name nothing outside `folder`."""
    apart = config.model_copy(
        update={"paths": config.paths.model_copy(update={"state": f"{folder}/state", "run": f"{folder}/run"})}
    )
    layout = Layout.of(apart)
    Path(layout.filter_state).mkdir(parents=True)
    for name, text in {**scripts(), SETTINGS: settings(apart, layout)}.items():
        file = folder / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)


def _try(program: str, file: Path, port: int, stop: Callable[[], bool]) -> str:
    log = file.with_name("log")
    with running([program, "-c", str(file)], log) as process:
        up = _comes_up(process, port, stop)
    text = re.sub(r"\x1b\[[0-9;]*m", "", log.read_text(errors="replace"))
    # A missing parser, for one, is an error line of a Fluent Bit that comes up.
    errors = [line.strip() for line in text.splitlines() if "[error]" in line]
    if not up or errors:
        last = errors or [line for line in text.splitlines() if line.strip()]
        raise RenderError("Fluent Bit does not start with this configuration:\n" + "\n".join(last[-_MOST_LINES:]))
    version = re.search(r"Fluent Bit v(\S+)", text)
    return version[1] if version else "unknown"


def _comes_up(process: "subprocess.Popen[bytes]", port: int, stop: Callable[[], bool]) -> bool:
    fluent_bit = FluentBit(port)
    end = time.monotonic() + _START_SECONDS
    while time.monotonic() < end and process.poll() is None and not stop():
        if fluent_bit.reload_count() is not None:
            return True
        time.sleep(0.1)
    return False
