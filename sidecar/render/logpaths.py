"""Which of the pods' log files are read: for Fluent Bit as wildcards, for the sidecar as a function.

The kubelet lays them out as `<namespace>_<pod>_<uid>/<container>/<restart>.log`, and rotates that to
`<restart>.log.<time>` and `<restart>.log.<time>.gz`. No name has a `_` or a `/` in it, so that a wildcard in one part
can't reach into the next, also where `*` matches a `/` (fnmatch(3), which Fluent Bit excludes with).
"""

import posixpath
import re
from collections.abc import Callable, Sequence
from itertools import product

from sidecar.config.globs import matches_any
from sidecar.config.model import Config

_TEMPORARY = "*.tmp"
_PACKED = "*.gz"
_PLACE = re.compile(r"([^/_]+)_([^/_]+)_[^/_]+/([^/]+)/[^/]*\.log[^/]*")


def include_paths(config: Config) -> list[str]:
    """Wildcards of what to read, each for in_tail's `path`; labels are the filter's business."""
    wanted = config.logs.include
    return [
        *(
            f"{config.paths.logs}/{namespace}_{pod}_*/{container}/*.log*"
            for namespace, pod, container in product(
                _any(wanted.namespaces), _any(wanted.pods), _any(wanted.containers)
            )
        ),
        *_audit_paths(config),
    ]


def audit_prefix(config: Config) -> str | None:
    """What the audit log's path, and those of its rotated files, begin with; None where it isn't read."""
    family = config.control_plane
    if family.source != "node" or family.audit_log is None or "audit" not in family.types:
        return None
    return posixpath.splitext(family.audit_log)[0]


def _audit_paths(config: Config) -> list[str]:
    """The API server rotates `audit.log` to `audit-<time>.log`."""
    prefix = audit_prefix(config)
    if prefix is None:
        return []
    ending = posixpath.splitext(config.control_plane.audit_log or "")[1]
    return [f"{prefix}{ending}", f"{prefix}-*{ending}"]


def exclude_paths(config: Config) -> list[str]:
    """Wildcards of what not to read, each for in_tail's `exclude_path`; gzipped files are read by another input."""
    logs, unwanted = config.paths.logs, config.logs.exclude
    return [
        _PACKED,
        _TEMPORARY,
        *(f"{logs}/{namespace}_*_*/*/*" for namespace in unwanted.namespaces),
        *(f"{logs}/*_{pod}_*/*/*" for pod in unwanted.pods),
        *(f"{logs}/*_*_*/{container}/*" for container in unwanted.containers),
    ]


def wanted(config: Config) -> Callable[[str], bool]:
    """Whether a file is to be read, by its path relative to `paths.logs`: plain or gzipped, by either input."""
    include, exclude = config.logs.include, config.logs.exclude
    required = (include.namespaces, include.pods, include.containers)
    refused = (exclude.namespaces, exclude.pods, exclude.containers)

    def is_wanted(path: str) -> bool:
        place = _PLACE.fullmatch(path)
        if not place or path.endswith(".tmp"):
            return False
        names = place.groups()
        return all(
            (not needed or matches_any(needed, name)) and not matches_any(unwanted, name)
            for needed, unwanted, name in zip(required, refused, names, strict=True)
        )

    return is_wanted


def _any(globs: Sequence[str]) -> Sequence[str]:
    return globs or ("*",)
