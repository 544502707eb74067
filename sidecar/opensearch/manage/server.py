"""What a server is, as far as it decides what can be put in place."""

from dataclasses import dataclass
from enum import Enum


class Feature(Enum):
    """A plugin of the server, by the name that people know it by."""

    ISM = "index-management"
    ALERTING = "alerting"
    NOTIFICATIONS = "notifications"
    SECURITY = "security"


@dataclass(frozen=True)
class Server:
    """An OpenSearch that was asked what it is.

    Attributes:
        number: Its version, such as `2.19.4`.
        features: The plugins of interest that it has.
        amazon: Whether it is an Amazon OpenSearch Service domain.
        notes: What is to be known of it, in sentences.
    """

    number: str
    features: frozenset[Feature] = frozenset()
    amazon: bool = False
    notes: tuple[str, ...] = ()

    @property
    def version(self) -> tuple[int, ...]:
        """The numbers of the version, without what follows a hyphen."""
        return tuple(int(part) for part in self.number.partition("-")[0].split(".") if part.isdigit())
