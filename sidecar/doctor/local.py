"""HTTP to this host alone: Fluent Bit, and the sidecar itself."""

import http.client
import os
import urllib.error
import urllib.request

from sidecar.errors import SidecarError
from sidecar.kube.inpod import HOST

_SECONDS = 2.0
# A proxy of the environment (HTTP_PROXY) is for what is elsewhere.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
ELSEWHERE = "to look at it too: kubectl exec -n NAMESPACE POD -c sidecar -- sidecar doctor"
"""What to do where there is no wonder that nothing answers."""


class Silent(SidecarError):  # noqa: N818 - it is a state, and reads better so
    """Nothing answers at a port."""


def get(port: int, path: str, *, host: str = "127.0.0.1") -> tuple[int, bytes]:
    """Status and body of the answer to a GET, whatever the status is.

    Raises:
        Silent: There is no answer.
    """
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}{path}"
    try:
        with _OPENER.open(url, timeout=_SECONDS) as answer:
            return int(answer.status), answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise Silent(f"nothing answers at {url}: {getattr(reason, 'strerror', None) or reason}") from error


def in_pod() -> bool:
    """Whether this is a pod, where both are beside us."""
    return HOST in os.environ
