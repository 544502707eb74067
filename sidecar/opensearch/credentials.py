"""Where OpenSearch is, and user and password: from variables, files or AWS parameters, which may change."""

import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from sidecar.aws import Parameters
from sidecar.config.address import SERVERLESS, checked_url, is_serverless
from sidecar.errors import SecretError, SidecarError

if TYPE_CHECKING:
    # A Lambda function has no pydantic, which this would load.
    from sidecar.config.opensearch import Auth, BasicAuth, OpenSearch, SsmAuth

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Login:
    """What one request goes by.

    Attributes:
        url: Where OpenSearch is.
        basic: User and password, if there are any.
    """

    url: str
    basic: tuple[str, str] | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Pace:
    """When a login is read again, in seconds.

    Attributes:
        look: After that long without a reason.
        again: After a failure.
        least: Between two times that it was refused.
    """

    look: float
    again: float
    least: float


FILES = Pace(look=10.0, again=10.0, least=1.0)
SSM = Pace(look=300.0, again=30.0, least=10.0)
"""A call is made by every node: 500 of them ask 1.7 times a second, of the 40 that the Parameter Store allows."""


class Credentials:
    """The login that holds now. Safe to use from several threads.

    Args:
        read: Reads it.
        pace: How often.
        clock: Seconds, monotonic.
    """

    def __init__(self, read: Callable[[], Login], pace: Pace, clock: Callable[[], float] = time.monotonic) -> None:
        self._read, self._pace, self._clock = read, pace, clock
        self._lock = threading.Lock()
        self._login: Login | None = None
        self._next = self._soonest = 0.0
        self._said = ""

    @property
    def known(self) -> Login | None:
        """The last that was read, without a look whether it still holds."""
        return self._login

    def login(self, refused: Login | None = None) -> Login:
        """The login to use now; what can't be read again leaves it as it was.

        Args:
            refused: What OpenSearch has just refused: it is read again, unless that was done a moment ago.

        Raises:
            SidecarError: It could never be read.
        """
        login = self._login
        if login is not None and not self._due(refused):
            return login
        # Whoever has one to go on with doesn't wait for AWS.
        if not self._lock.acquire(blocking=login is None or refused is not None):
            assert login is not None
            return login
        try:
            if self._login is not None and self._due(refused):  # nobody else has looked meanwhile
                if refused is not None:
                    self._soonest = self._clock() + self._pace.least
                self._renew()
            return self._login or self._read_first()
        finally:
            self._lock.release()

    def _due(self, refused: Login | None) -> bool:
        now = self._clock()
        return now >= self._next or (refused is not None and refused == self._login and now >= self._soonest)

    def _read_first(self) -> Login:
        login = self._login = self._read()
        self._wait(self._pace.look)
        return login

    def _renew(self) -> None:
        try:
            login = self._read()
        except SidecarError as error:
            self._wait(self._pace.again)
            if str(error) != self._said:
                self._said = str(error)
                log.warning("going on with the credentials as they were: %s", error)
            return
        self._said = ""
        self._wait(self._pace.look)
        if login != self._login:
            log.info("the credentials for OpenSearch have changed; the new ones are used")
            self._login = login

    def _wait(self, seconds: float) -> None:
        spread = random.uniform(0.8, 1.0)  # noqa: S311 - spreads the load, keeps no secret
        self._next = self._clock() + seconds * spread


def credentials_of(settings: "OpenSearch", auth: "Auth", clock: Callable[[], float] = time.monotonic) -> Credentials:
    """The credentials that a section says; nothing is read yet.

    Raises:
        AwsError: They are in AWS, and botocore is not installed.
    """
    if auth.ssm:
        return Credentials(_ssm(settings, auth.ssm), SSM, clock)
    address = _address(settings)
    if auth.basic:
        read = _basic(auth.basic, address)
    else:

        def read() -> Login:
            return Login(address())

    return Credentials(read, FILES if settings.url else SSM, clock)


def _address(settings: "OpenSearch") -> Callable[[], str]:
    """Where OpenSearch is; asks AWS where the file doesn't say it."""
    url, ssm = settings.url, settings.auth.ssm
    if url is not None:
        return lambda: url
    assert ssm, "pipeline.yaml without a url is refused otherwise"
    parameters = Parameters(ssm.path, ("host",), region=ssm.region)
    return lambda: url_of(parameters.read()["host"], f"{ssm.path}/host")


def _basic(basic: "BasicAuth", address: Callable[[], str]) -> Callable[[], Login]:
    from sidecar.config import resolve  # noqa: PLC0415 - see above

    def read() -> Login:
        user = resolve(basic.username, name="opensearch.auth.basic.username")
        password = resolve(basic.password, name="opensearch.auth.basic.password")
        return Login(address(), (user, password))

    return read


def _ssm(settings: "OpenSearch", ssm: "SsmAuth") -> Callable[[], Login]:
    """In one call where the host is beside user and password."""
    address = None if settings.url is None and ssm == settings.auth.ssm else _address(settings)
    names = ("user", "password") if address else ("user", "password", "host")
    parameters = Parameters(ssm.path, names, region=ssm.region)

    def read() -> Login:
        found = parameters.read()
        url = address() if address else url_of(found["host"], f"{ssm.path}/host")
        return Login(url, (found["user"], found["password"]))

    return read


def url_of(host: str, parameter: str) -> str:
    """The address that the parameter of a host means: its name, with a port where it needs one.

    Raises:
        SecretError: It is no host. What it is isn't repeated: it could be the password, in the wrong place.
    """
    hint = "write the name of a host, such as search-x.eu-west-1.es.amazonaws.com, or set opensearch.url"
    text = host.strip().removeprefix("https://").rstrip("/")
    try:
        url = checked_url(f"https://{text}")
    except ValueError:
        url = ""
    if not url or "/" in text:
        raise SecretError(f"opensearch.auth.ssm: the parameter {parameter} is no host", hint=hint)
    if is_serverless(urlsplit(url)):
        raise SecretError(f"opensearch.auth.ssm: the parameter {parameter}: {SERVERLESS}")
    return url
