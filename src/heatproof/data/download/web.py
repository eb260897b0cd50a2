"""Asking a server over HTTP(S), and what its refusals mean in plain words.

Redirects, proxies, TLS and timeouts are requests' part; what may pass is asked again after a pause.
"""

import json
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from urllib.parse import urlsplit, urlunsplit

import requests
import urllib3

from heatproof.data.download.disk import readable
from heatproof.errors import InputError
from heatproof.progress import line

_LARGEST_JSON = 1 << 24
_AGAIN = {408, 425, 429, 500, 502, 503, 504}
_LOGIN = {401, 403, 407, 451}


@dataclass(frozen=True)
class Patience:
    """How long a server is waited for, in seconds, and how often it is asked again.

    Attempts are counted from the last one that brought the file forward by at least `worth` bytes.
    """

    attempts: int = 8
    backoff: float = 1.0  # before the second attempt; doubled before each further one
    ceiling: float = 60.0  # of a pause, also where the server asks for a longer one
    connect: float = 15.0
    read: float = 60.0  # without a single byte
    redirects: int = 10
    worth: int = 1 << 20


class Broken(Exception):
    """An attempt failed in a way that another one may not; `pause`: how many seconds the server asks for."""

    def __init__(self, what: str, pause: float = 0.0):
        super().__init__(what)
        self.pause = pause


def insist(attempt: Callable, what: str, patience: Patience, size: Callable[[], int] = lambda: 0):
    """What `attempt` returns, called again after a pause for as long as it raises Broken and patience lasts.

    Args:
        what: for the messages.
        size: how many bytes have come so far.

    Raises:
        InputError: patience is at its end.
    """
    failures, furthest = 0, size()
    while True:
        try:
            return attempt()
        except Broken as error:
            broken = error
        now = size()
        failures = 1 if now - furthest >= patience.worth else failures + 1
        furthest = max(furthest, now)  # a file that starts again and again gets no further
        if failures >= patience.attempts:
            onward = f" to go on from {readable(now)}" if now else ""
            raise InputError(
                f"{what}: {broken}, {failures} times in a row; check the connection and run again{onward}"
            ) from None
        pause = min(max(patience.backoff * 2 ** (failures - 1), broken.pause), patience.ceiling)
        line(f"{what}: {broken}; attempt {failures + 1} of {patience.attempts} in {pause:.0f} s")
        time.sleep(pause)


def shown(url: str) -> str:
    """An address as it may stand in a log: without password, and without query, which may hold a signature."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def open_session(patience: Patience) -> requests.Session:
    """A session that asks for bytes as they are: a body compressed on the way could not be resumed."""
    try:
        name = f"heatproof/{version('heatproof')}"
    except PackageNotFoundError:
        name = "heatproof"
    session = requests.Session()
    session.max_redirects = patience.redirects
    # some servers refuse the name that requests gives itself
    session.headers.update({"User-Agent": f"{name} {requests.utils.default_user_agent()}"})
    session.headers.update({"Accept-Encoding": "identity"})
    return session


def ask(session: requests.Session, url: str, headers: dict[str, str], patience: Patience) -> requests.Response:
    """GET, redirects followed, the body not yet read.

    Raises:
        Broken: it may work another time.
        InputError: it will not.
    """
    try:
        return session.get(url, headers=headers, stream=True, timeout=(patience.connect, patience.read))
    except requests.TooManyRedirects:
        raise InputError(f"{shown(url)}: redirects without end; check the address") from None
    except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
        why = explain(error, error.request.url if error.request else url, patience)
        if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in _causes(error)):
            raise InputError(
                f"{shown(url)}: {why}; check the address, or name your network's certificates in REQUESTS_CA_BUNDLE"
            ) from None
        raise Broken(why) from None
    except requests.RequestException as error:
        raise InputError(f"{shown(url)}: cannot be asked ({type(error).__name__}); check the address") from None


def check_status(url: str, response: requests.Response, by_hand: str) -> None:
    """Pass a 200.

    Raises:
        Broken: for what may pass.
        InputError: for what will not; `by_hand` is its mend.
    """
    status = response.status_code
    if status == 200:
        return
    name = f"{status} {response.reason or ''}".strip()
    if status in _AGAIN:
        pause = response.headers.get("Retry-After", "")
        raise Broken(f"the server says {name}", float(pause) if pause.isdecimal() else 0.0)
    if status in _LOGIN:
        raise InputError(f"{shown(url)}: the server wants a login or refuses programs ({name}); {by_hand}")
    raise InputError(f"{shown(url)}: the server says {name}; check the address, or {by_hand}")


def get_json(url: str, *, by_hand: str, patience: Patience | None = None):
    """The JSON document at an address; None if what comes is not JSON.

    Raises:
        InputError: as `check_status`, or patience is at its end.
    """
    patience = patience or Patience()

    def attempt():
        with ask(session, url, {"Accept": "application/json, */*;q=0.1"}, patience) as response:
            check_status(url, response, by_hand)
            try:
                return json.loads(response.raw.read(_LARGEST_JSON, decode_content=True))
            except ValueError:
                return None
            except urllib3.exceptions.HTTPError as error:
                raise Broken(explain(error, url, patience)) from None

    with open_session(patience) as session:
        return insist(attempt, shown(url), patience)


def explain(error: BaseException, url: str, patience: Patience) -> str:
    """In plain words why an attempt failed."""
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, requests.exceptions.ProxyError | urllib3.exceptions.ProxyError):
            return "the proxy does not answer"
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"the certificate does not hold ({cause.verify_message})"
        if isinstance(cause, socket.gaierror):
            return f"the name {urlsplit(url).hostname} cannot be resolved"
        if isinstance(cause, ConnectionRefusedError):
            return "the connection is refused"
        if isinstance(cause, requests.ReadTimeout | urllib3.exceptions.ReadTimeoutError):
            return f"not a byte for {patience.read:g} s"
        if isinstance(cause, urllib3.exceptions.ConnectTimeoutError) and not _inner(cause):
            return f"no connection within {patience.connect:g} s"
    return (
        "no TLS connection" if any(isinstance(cause, ssl.SSLError) for cause in causes) else "the connection broke off"
    )


def _inner(error: BaseException) -> list[BaseException]:
    inner = (*error.args, getattr(error, "reason", None), error.__cause__, error.__context__)
    return [cause for cause in inner if isinstance(cause, BaseException)]


def _causes(error: BaseException, depth: int = 8) -> Iterator[BaseException]:
    """An error and all that caused it: requests and urllib3 wrap one into the other."""
    yield error
    if depth:
        for cause in _inner(error):
            yield from _causes(cause, depth - 1)
