"""Who opens a file is seen, also through a link, and from another process."""

import subprocess
from pathlib import Path

from sidecar.agent.opens import Opens


def test_opens_are_seen_once(tmp_path: Path) -> None:
    file, link = tmp_path / "file", tmp_path / "link"
    file.touch()
    link.symlink_to("file")
    opens = Opens(link)
    assert opens.known
    assert not opens.seen()
    subprocess.run(["cat", file], check=True)
    assert opens.seen()
    assert not opens.seen()
    opens.close()
    opens.close()
    assert not opens.seen()


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    opens = Opens(tmp_path / "none")
    assert not opens.known
    assert not opens.seen()
    opens.close()
