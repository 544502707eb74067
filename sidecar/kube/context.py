"""The namespace that a kubeconfig's context names: read from its file alone, without the official client's 40 MB."""

import os
from pathlib import Path
from typing import Any

import yaml

from sidecar.errors import KubernetesError

_DEFAULT = "~/.kube/config"


def context_namespace(kubeconfig: str | None = None, context: str | None = None) -> str | None:
    """The namespace of a context, as kubectl takes it: `default` where it names none.

    Args:
        kubeconfig: Path, or several as in $KUBECONFIG, which counts where nothing is said; then ~/.kube/config.
        context: Its current one where it is missing.

    Returns:
        None where there is no kubeconfig, or it has no such context.

    Raises:
        KubernetesError: `kubeconfig` or `context` was asked for, and isn't there; or the file is none.
    """
    paths = (kubeconfig or os.environ.get("KUBECONFIG") or _DEFAULT).split(os.pathsep)
    files = [_read(Path(path).expanduser()) for path in paths if path and Path(path).expanduser().is_file()]
    if kubeconfig and not files:
        raise KubernetesError(f"{kubeconfig}: there is no such file", hint="check --kubeconfig")
    # The first file that says something counts, as for kubectl.
    current = context or next((str(file["current-context"]) for file in files if file.get("current-context")), "")
    for entry in (entry for file in files for entry in _list(file.get("contexts"))):
        if isinstance(entry, dict) and entry.get("name") == current:
            inner = entry.get("context")
            return str((inner.get("namespace") if isinstance(inner, dict) else None) or "default")
    if context:
        raise KubernetesError(
            f"the kubeconfig has no context {context!r}", hint="kubectl config get-contexts shows them"
        )
    return None


def _read(path: Path) -> dict[str, Any]:
    try:
        found = yaml.load(path.read_bytes(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - safe
    except (OSError, yaml.YAMLError) as error:
        raise KubernetesError(f"{path}: can't be read as a kubeconfig", hint="-n and -A do without it") from error
    return found if isinstance(found, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
