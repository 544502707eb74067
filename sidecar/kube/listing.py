"""A paged list of raw objects, in bounded memory."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sidecar.errors import KubernetesUnavailable
from sidecar.kube.client import ApiServer, Params

PAGE_ITEMS = 500


@dataclass(frozen=True)
class Page:
    """One page of a list.

    `resource_version` is the whole list's: the state that all its pages together show. `token` asks for the next page;
    it is empty on the last.
    """

    items: list[Any]
    resource_version: str
    token: str = ""


def pages(
    api: ApiServer,
    path: str,
    *,
    limit: int = PAGE_ITEMS,
    selector: Params | None = None,
    resource_version: str = "",
    token: str = "",
) -> Iterator[Page]:
    """The pages of a consistent list, one held at a time.

    Args:
        api: The API server.
        path: Of the collection, such as `/api/v1/events`.
        limit: Most items of a page.
        selector: `fieldSelector` and `labelSelector`, where not everything is wanted.
        resource_version: `0` takes what the server has in its cache: cheap for it, perhaps a moment old.
        token: Begin with the page that it asks for: one of `Page`, or of `ResourceExpired`.

    Raises:
        ResourceExpired: The list took longer than the server keeps its state. Begin again; or go on with its `token`,
            where it has one: the rest is then of a later state, and what changed in between may be missed or come
            twice.
        KubernetesError: See `ApiServer.get`; also where the answer is no list.
    """
    while True:
        # The server refuses a resourceVersion beside the token, which has its own.
        state = {"continue": token} if token else {"resourceVersion": resource_version} if resource_version else {}
        answer = api.get(path, {"limit": limit, **(selector or {}), **state})
        metadata, items = answer.get("metadata"), answer.get("items") or []
        if not (isinstance(metadata, dict) and metadata.get("resourceVersion") and isinstance(items, list)):
            raise KubernetesUnavailable(
                f"Kubernetes at {api.url}: the answer to {path} is not a list", hint="is a proxy in between?"
            )
        token = str(metadata.get("continue") or "")
        yield Page(items, str(metadata["resourceVersion"]), token)
        if not token:
            return
