"""OpenSearch as the function writes to it: not before the index template is there.

An index that began without it would take what its documents happen to look like for a mapping, until it is deleted.
"""

from collections.abc import Sequence

from sidecar.errors import OpenSearchError
from sidecar.opensearch.client import Client, RefusedError
from sidecar.opensearch.documents import Document, Documents, Outcome

_NOT_FOUND = 404


class Store:
    """Creates documents once their index template is there; looks for it until it has seen it.

    Args:
        client: OpenSearch.
        template: Name of the index template.
    """

    def __init__(self, client: Client, template: str) -> None:
        self._client, self._template = client, template
        self._documents = Documents(client)
        self._seen = False

    def create(self, documents: Sequence[Document]) -> list[Outcome]:
        """Create documents; an outcome for each, in order.

        Raises:
            OpenSearchUnavailable: Nothing can be told of any of them.
            OpenSearchError: The template is not there, or OpenSearch refuses us.
        """
        if not self._seen:
            self._look()
        return self._documents.create(documents)

    def _look(self) -> None:
        try:
            self._client.request(
                "GET", f"/_index_template/{self._template}", params={"filter_path": "index_templates.name"}
            )
        except RefusedError as error:
            if error.status != _NOT_FOUND:
                raise
            raise OpenSearchError(
                f"OpenSearch at {self._client.url}: the index template {self._template} is not there",
                hint="`sidecar apply` puts it in place",
            ) from error
        self._seen = True
