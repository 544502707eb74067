"""Names as pipeline.yaml may hold them: of indices, clusters, files, hosts and Kubernetes objects."""

import posixpath
import re
from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, Field, WithJsonSchema

from sidecar.config.fixed import DEAD_LETTER
from sidecar.config.show import quoted

_INDEX_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*\Z")
_MAX_INDEX_NAME = 240  # OpenSearch allows 255 bytes; a date is appended
_CLUSTER_PATTERN = r"[A-Za-z0-9][A-Za-z0-9._:/@-]{0,255}"
_MAX_NAME = 253
_KUBERNETES_GLOB = re.compile(rf"[a-z0-9.*-]{{1,{_MAX_NAME}}}\Z")
_RULE_PATTERN = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_LABEL_PART = r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?"
_LABEL_PREFIX = r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?"
_OBJECT_PATTERN = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
_MAX_OBJECT_NAME = 253


def version_tuple(text: str) -> tuple[int, ...]:
    """`"2.19"` -> `(2, 19)`; the text has been validated."""
    return tuple(int(part) for part in text.split("."))


def checked_version(value: str, oldest: tuple[int, ...], product: str) -> str:
    """A version that is not older than `oldest`."""
    if not re.fullmatch(r"[0-9]{1,4}(\.[0-9]{1,4}){1,2}", value):
        raise ValueError(f"expected a version such as {'.'.join(map(str, oldest))}, found {quoted(value)}")
    if version_tuple(value) < oldest:
        raise ValueError(f"{product} {value} is too old; the oldest that works is {'.'.join(map(str, oldest))}")
    return value


def _index_name(value: str) -> str:
    if not _INDEX_NAME.match(value) or len(value) > _MAX_INDEX_NAME:
        raise ValueError(
            "expected an index name: lower-case letters and digits, '-', '_' and '.' after the first, at most "
            f"{_MAX_INDEX_NAME} characters; found {quoted(value)}"
        )
    if f"fluent-sidecar-{value}" == DEAD_LETTER or f"{DEAD_LETTER}-".startswith(f"{value}-"):
        raise ValueError(f"{quoted(value)} would meet the index {DEAD_LETTER}; choose another name")
    return value


def _absolute(value: str) -> str:
    # Fluent Bit reads `$` as a variable, a comma as the end of a path, and the others as wildcards.
    if not value.startswith("/") or ".." in value.split("/") or re.search(r"[$*?,\\{}\[\]]", value):
        raise ValueError(
            f"expected an absolute path without '..', '$', ',', '\\', brackets and wildcards, found {quoted(value)}"
        )
    if not value.isprintable() or value != value.strip():
        raise ValueError(f"expected a path without control characters and a space at its end, found {quoted(value)}")
    return f"/{posixpath.normpath(value).strip('/')}"


def _cluster_name(value: str) -> str:
    if not re.fullmatch(_CLUSTER_PATTERN, value):
        raise ValueError(
            "expected a name of letters, digits and '.', '_', ':', '/', '@', '-' after the first, at most 256 "
            f"characters; found {quoted(value)}"
        )
    return value


def _kubernetes_glob(value: str) -> str:
    if not _KUBERNETES_GLOB.match(value):
        raise ValueError(
            "expected a name as Kubernetes has it, lower-case letters, digits, '-' and '.', with '*' for any part; "
            f"found {quoted(value)}"
        )
    return value


def _glob(value: str) -> str:
    if not value or len(value) > _MAX_NAME or not value.isprintable() or value != value.strip():
        raise ValueError(
            f"expected a name of 1 to {_MAX_NAME} characters, with '*' for any part; found {quoted(value)}"
        )
    return value


def _object_name(value: str) -> str:
    if len(value) > _MAX_OBJECT_NAME or not re.fullmatch(_OBJECT_PATTERN, value):
        raise ValueError(
            f"expected a name as Kubernetes has it: lower-case letters, digits, '-' and '.'; found {quoted(value)}"
        )
    return value


def _rule_name(value: str) -> str:
    if not re.fullmatch(_RULE_PATTERN, value) or value == "none":
        raise ValueError(
            "expected a name of at most 63 lower-case letters, digits and '-' within, other than none; "
            f"found {quoted(value)}"
        )
    return value


def _label_name(value: str) -> str:
    prefix, slash, name = value.rpartition("/")
    if not re.fullmatch(_LABEL_PART, name) or (slash and not re.fullmatch(_LABEL_PREFIX, prefix)):
        raise ValueError(f"expected the name of a label, such as app.kubernetes.io/name; found {quoted(value)}")
    return value


def _label_value(value: str) -> str:
    if value and not re.fullmatch(_LABEL_PART, value):
        raise ValueError(
            "expected the value of a label: at most 63 letters, digits, and '-', '_', '.' within; "
            f"found {quoted(value)}"
        )
    return value


IndexName = Annotated[str, AfterValidator(_index_name)]
AbsolutePath = Annotated[str, AfterValidator(_absolute), WithJsonSchema({"type": "string", "pattern": "^/"})]
Port = Annotated[int, Field(ge=1, le=65535)]
ClusterName = Annotated[
    str, AfterValidator(_cluster_name), WithJsonSchema({"type": "string", "pattern": f"^{_CLUSTER_PATTERN}$"})
]
KubernetesGlob = Annotated[str, AfterValidator(_kubernetes_glob)]
Glob = Annotated[str, AfterValidator(_glob)]
ObjectName = Annotated[str, AfterValidator(_object_name)]
RuleName = Annotated[str, AfterValidator(_rule_name)]
LabelName = Annotated[str, AfterValidator(_label_name)]
LabelValue = Annotated[str, AfterValidator(_label_value)]
Labels = Mapping[LabelName, LabelValue]
