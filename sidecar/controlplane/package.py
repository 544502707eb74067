"""The function's deployment package: a zip of what it needs, and nothing else.

It is Python alone, so that it fits every runtime and architecture of Lambda from Python 3.11 on. botocore is in the
runtime. The same sources give the same bytes: names are sorted, times fixed, and nothing is compressed, because zlib's
versions compress differently.
"""

import hashlib
import io
import zipfile
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import distribution
from pathlib import Path

from sidecar.controlplane.link import CA_FILE
from sidecar.errors import OpenSearchError

HANDLER = "sidecar.controlplane.handler.handler"
"""What Lambda is told to call."""
MODULES = (
    "__init__",
    "aws/__init__",
    "aws/parameters",
    "aws/secrets",
    "aws/session",
    "aws/signer",
    "config/__init__",
    "config/address",
    "config/fixed",
    "config/function",
    "config/oneline",
    "config/show",
    "controlplane/__init__",
    "controlplane/audit",
    "controlplane/deliver",
    "controlplane/documents",
    "controlplane/handler",
    "controlplane/line",
    "controlplane/link",
    "controlplane/members",
    "controlplane/payload",
    "controlplane/store",
    "errors",
    "opensearch/__init__",
    "opensearch/access",
    "opensearch/client",
    "opensearch/codec",
    "opensearch/connection",
    "opensearch/credentials",
    "opensearch/deadletter",
    "opensearch/documents",
    "opensearch/encode",
    "opensearch/fit",
    "opensearch/refusal",
    "opensearch/trust",
    "opensearch/unreachable",
)
"""Of this project."""
# Its optional parts, which need what isn't there.
_URLLIB3_WITHOUT = "contrib"
_TIME = (1980, 1, 1, 0, 0, 0)
_MODE = 0o100644 << 16


@dataclass(frozen=True)
class Package:
    """A deployment package.

    Attributes:
        content: Its bytes.
        files: Names of its files.
    """

    content: bytes
    files: tuple[str, ...]

    @property
    def digest(self) -> str:
        """SHA-256 of its bytes."""
        return hashlib.sha256(self.content).hexdigest()


def package(ca: Path | None = None) -> Package:
    """The deployment package of this version.

    Args:
        ca: File with the certificates of a private CA, which goes into it.

    Raises:
        OpenSearchError: There is no certificate in that file.
    """
    files = {**_own(), **_urllib3()}
    if ca is not None:
        files[CA_FILE] = _certificates(ca)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            info = zipfile.ZipInfo(name, _TIME)
            info.external_attr = _MODE
            archive.writestr(info, files[name])
    return Package(packed.getvalue(), tuple(sorted(files)))


def _own() -> dict[str, bytes]:
    root = Path(__file__).resolve().parents[1]
    return {f"sidecar/{name}.py": (root / f"{name}.py").read_bytes() for name in MODULES}


def _urllib3() -> dict[str, bytes]:
    folder = Path(str(import_module("urllib3").__file__)).parent
    found = {
        f"urllib3/{path.relative_to(folder).as_posix()}": path.read_bytes()
        for path in folder.rglob("*.py")
        if path.relative_to(folder).parts[0] != _URLLIB3_WITHOUT
    }
    for file in distribution("urllib3").files or ():
        if file.name.startswith("LICENSE"):
            found[f"urllib3/{file.name}"] = Path(str(file.locate())).read_bytes()
    return found


def _certificates(file: Path) -> bytes:
    content = file.read_bytes()
    if b"-----BEGIN CERTIFICATE-----" not in content:
        raise OpenSearchError(f"{file} has no certificate in it", hint="name a file with CA certificates (PEM)")
    return content
