"""One file over HTTP(S): resumed, tried again, checked.

requests speaks HTTP; a body that breaks off is continued here, because urllib3's Retry ends with the headers. What has
come lies in a partial file, with a note beside it of what vouches that the server's file is still the same.
"""

import errno
import hashlib
import os
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit, urlunsplit

import requests
import urllib3
from filelock import FileLock, Timeout

from heatproof.core.messages import InputError, line
from heatproof.store.sealing import digest
from heatproof.text.numbers import data_size

ATTEMPTS = 8  # in a row, none of which brings PROGRESS bytes
PROGRESS = 1 << 20
BACKOFF, LONGEST = 1.0, 60.0  # seconds of the first pause, which doubles; of any, also where a server asks for more
TIMEOUT = (15.0, 60.0)  # seconds to connect, and without a byte
QUIET = 30.0  # seconds between two lines of progress
_CHUNK = 1 << 18
_AGAIN = {408, 425, 429, 500, 502, 503, 504}
_LOGIN = {401, 403, 407, 451}
# a body that is compressed on the way cannot be resumed; some servers refuse the name that requests gives itself
_HEADERS = {"User-Agent": f"heatproof {requests.utils.default_user_agent()}", "Accept-Encoding": "identity"}
Value = TypeVar("Value")


class Broken(Exception):
    """An attempt that failed, though another one may not; `pause`: seconds that the server asks for."""

    def __init__(self, why: str, pause: float = 0.0):
        super().__init__(why)
        self.pause = pause


def download(url: str, target: Path, part: Path, *, sha256: str | None = None, by_hand: str | None = None) -> None:
    """Bring the file at an address to `target`, which is there whole or not at all.

    Args:
        part: where the bytes gather; it stays, with `<part>.note`, whenever the download does not end well.
        sha256: of the file, in hex. A file with another one stays at `part`: the next call takes it if it is what is
            declared by then, else fetches the file anew.
        by_hand: how to get the file where the server refuses.

    Raises:
        InputError: one line with the address, what happened, and what to do.
    """
    renewed = "" if by_hand else "if the file was renewed, set data.download.sha256 to it, else "
    by_hand = by_hand or f"download it by hand to {target}"
    target.parent.mkdir(parents=True, exist_ok=True)
    for last in (False, True):
        resumed = insist(lambda: _bring(url, part, target.name, sha256 is not None, by_hand), url, part)
        found = digest(part) if sha256 else None
        if found == sha256:
            place(part, target)
            _note(part).unlink()
            return
        if last or not resumed:
            break
        part.unlink()  # bytes of an earlier attempt may be what is wrong
    with part.open("rb") as file:
        page = re.match(rb"\s*<(!doctype )?html", file.read(512).lower())
    web = "; what comes is a web page" if page else ""
    raise InputError(
        f"{shown(url)}: the file's SHA-256 is {found}, not {sha256}{web}; {renewed}{by_hand}; the downloaded file "
        f"is at {part}"
    )


def insist(attempt: Callable[[], Value], url: str, part: Path | None = None) -> Value:
    """Return `attempt()`, called again after a pause where the connection or the server fails.

    Args:
        part: a file that grows as long as attempts are worth it.

    Raises:
        InputError: no attempt will succeed, or ATTEMPTS in a row failed.
    """
    failures, furthest = 0, _size(part)
    while True:
        try:
            return attempt()
        except Broken as error:
            why, pause = str(error), error.pause
        except (
            requests.ConnectionError,
            requests.Timeout,
            requests.exceptions.ChunkedEncodingError,
            urllib3.exceptions.HTTPError,
        ) as error:
            why, pause = _reason(error), 0.0
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                raise InputError(
                    f"{shown(url)}: the server's certificate is not trusted; check the address, or name your network's"
                    " certificates in REQUESTS_CA_BUNDLE"
                ) from None
        except requests.RequestException as error:
            raise InputError(f"{shown(url)}: {type(error).__name__}; check the address") from None
        size = _size(part)
        failures = 1 if size >= furthest + PROGRESS else failures + 1
        furthest = max(furthest, size)  # a file that starts again and again gets no further
        if failures >= ATTEMPTS:
            onward = f" to go on from {data_size(size)}" if size else ""
            raise InputError(
                f"{shown(url)}: {why}, {failures} times in a row; check the connection and run again{onward}"
            )
        pause = min(max(BACKOFF * 2 ** (failures - 1), pause), LONGEST)
        line(f"{shown(url)}: {why}; attempt {failures + 1} of {ATTEMPTS} in {pause:.0f} s")
        time.sleep(pause)


def ask(url: str, by_hand: str, headers: dict[str, str], expected: tuple[int, ...] = (200,)) -> requests.Response:
    """Request an address, redirects followed; the body is not yet read.

    Raises:
        Broken: the server is in trouble.
        InputError: the server refuses.
    """
    response = requests.get(url, headers=_HEADERS | headers, stream=True, timeout=TIMEOUT)
    if response.status_code in expected:
        return response
    response.close()
    status = f"{response.status_code} {response.reason or ''}".strip()
    if response.status_code in _AGAIN:
        raise Broken(f"the server reports {status}", urllib3.Retry().get_retry_after(response.raw) or 0.0)
    if response.status_code in _LOGIN:
        raise InputError(f"{shown(url)}: the server requires a login or blocks programs ({status}); {by_hand}")
    raise InputError(f"{shown(url)}: the server reports {status}; check the address, or {by_hand}")


def get_json(url: str, by_hand: str):
    """Return the JSON document at an address; None if what comes is not JSON."""

    def attempt():
        with ask(url, by_hand, {"Accept": "application/json, */*;q=0.1"}) as response:
            try:
                return response.json()
            except ValueError:
                return None

    return insist(attempt, url)


def shown(url: str) -> str:
    """Return an address as it may stand in a log: no password, and no query, which may hold a signature."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def place(made: Path, target: Path) -> None:
    """Move a file or folder to its place in one step, from another disk by way of a copy beside the place."""
    beside = target.with_name(f".{target.name}.part")
    shutil.rmtree(beside, ignore_errors=True)
    shutil.move(made, beside)
    beside.replace(target)


def _bring(url: str, part: Path, name: str, checked: bool, by_hand: str) -> bool:
    """Fetch what is missing of the partial file; return whether it was continued."""
    vouch = _note(part).read_text(encoding="utf-8") if _note(part).exists() else ""
    begun = _size(part) if vouch or checked else 0
    headers = {"Range": f"bytes={begun}-"} if begun else {}
    if begun and vouch:
        headers["If-Range"] = vouch
    with ask(url, by_hand, headers, (200, 206, 416) if begun else (200,)) as response:
        length = response.headers.get("Content-Length", "")
        if response.status_code == 200:
            begun = 0
            part.write_bytes(b"")
            _note(part).write_text(_vouch(response), encoding="utf-8")
        else:
            span = re.fullmatch(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)", response.headers.get("Content-Range", ""))
            first, length = span.groups() if span else (None, "")
            if response.status_code == 416 and length == str(begun):
                return True  # nothing is missing
            named = {response.headers.get(key) for key in ("ETag", "Last-Modified")} - {None}
            if first != str(begun) or (vouch and named and vouch not in named):
                part.unlink()
                raise Broken("the rest that the server sends does not fit what has come")
        total = int(length) if length.isdecimal() else None
        free = shutil.disk_usage(part.parent).free
        if total and total - begun > free:
            raise InputError(
                f"{shown(url)}: no disk left: {data_size(total - begun)} are to come and {data_size(free)} are free at"
                f" {part.parent}; make room and run again"
            )
        with part.open("ab") as file:
            for chunk in _metered(iter(lambda: response.raw.read1(_CHUNK), b""), name, begun, total):
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
    if total and _size(part) < total:
        raise Broken("the connection broke off")
    return begun > 0


def _metered(chunks: Iterator[bytes], name: str, done: int, total: int | None) -> Iterator[bytes]:
    """Pass chunks on and show how many bytes there are: a bar on a terminal, else a line now and then."""
    if sys.stderr.isatty():
        from tqdm import tqdm

        with tqdm(initial=done, total=total, desc=name, unit="B", unit_scale=True, leave=False) as bar:
            for chunk in chunks:
                yield chunk
                bar.update(len(chunk))
        return
    last = time.monotonic()
    of = f" of {data_size(total)}" if total else ""
    for chunk in chunks:
        yield chunk
        done += len(chunk)
        if time.monotonic() > last + QUIET:
            line(f"{name}: {data_size(done)}{of}")
            last = time.monotonic()
    line(f"{name}: {data_size(done)}{of}")


def _vouch(response: requests.Response) -> str:
    """Return what tells this version of a file from others, or "": If-Range takes no weak ETag."""
    etag = response.headers.get("ETag", "")
    return etag if etag and not etag.startswith("W/") else response.headers.get("Last-Modified", "")


def _reason(error: Exception) -> str:
    """Return in a few words why an attempt failed."""
    if isinstance(error, requests.exceptions.ProxyError):
        return "the proxy does not answer"
    if isinstance(error, requests.ConnectTimeout):
        return f"no connection within {TIMEOUT[0]:g} s"
    if isinstance(error, requests.ReadTimeout | urllib3.exceptions.ReadTimeoutError):
        return f"not a byte for {TIMEOUT[1]:g} s"
    if isinstance(error, requests.exceptions.SSLError):
        return "no TLS connection"
    texts = {"Failed to resolve": "the name of the server cannot be resolved", "refused": "the connection is refused"}
    return next((words for text, words in texts.items() if text in str(error)), "the connection broke off")


def _size(part: Path | None) -> int:
    return part.stat().st_size if part and part.exists() else 0


def _note(part: Path) -> Path:
    return part.with_name(f"{part.name}.note")


def bring_dataset(name: str, source: Path, cache: Path) -> None:
    """Download and unpack the latest version of a dataset (owner/name) into the folder `source`.

    Args:
        cache: folder for what has come so far; kept where the connection fails, so that the next call goes on.

    Raises:
        InputError: one line with the dataset's address, what happened, and what to do.
    """
    import kagglehub
    import requests
    import urllib3

    os.environ |= {"KAGGLEHUB_CACHE": str(cache), "DISABLE_KAGGLE_CACHE": "1", "DISABLE_COLAB_CACHE": "1"}
    try:
        unpacked = Path(kagglehub.dataset_download(name))
    except Exception as error:
        if not isinstance(error, requests.RequestException | urllib3.exceptions.HTTPError):
            if isinstance(error, OSError):  # of the disk
                raise
            shutil.rmtree(cache, ignore_errors=True)  # what is damaged must not be continued
        raise InputError(
            f"https://www.kaggle.com/datasets/{name}: {' '.join(str(error).split())}; check data.download.kaggle and"
            " the connection; log in (make a token at kaggle.com, Settings, API; put it into KAGGLE_API_TOKEN or"
            " ~/.kaggle/access_token) and agree to the dataset's terms on its page; then run again"
        ) from None
    source.parent.mkdir(parents=True, exist_ok=True)
    place(unpacked, source)
    shutil.rmtree(cache)


MENDELEY = "https://data.mendeley.com"


def fetch(source: Path, download: dict, state: Path) -> Path:
    """Bring the data to `source` if they are not there, and return it.

    Args:
        source: a file, or a folder where the data come from Kaggle (it unpacks them).
        download: one of `url` (with `sha256`), `kaggle` (owner/name) and `mendeley` (id, or id/version; the latest
            without one).
        state: folder for what has come so far; a later call, or another one at the same time, goes on from there.

    Raises:
        InputError: one line with the address, what happened, and what to do.
    """
    if source.exists():
        return source
    where = next(f"{key}:{download[key]}" for key in ("url", "kaggle", "mendeley") if download.get(key))
    part = state / f"{source.name}.{hashlib.sha256(f'{where}:{source}'.encode()).hexdigest()[:12]}.part"
    lock = FileLock(part.with_suffix(".lock"))
    try:
        state.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(blocking=False)
        except Timeout:  # two studies with the same data: one downloads, the other waits and finds it
            line(f"{source}: another job is downloading it; waiting")
            lock.acquire()
        if not source.exists():
            line(f"{source}: not found; downloading {shown(download['url']) if download.get('url') else where} to it")
            _bring_from(source, download, part)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise InputError(
                f"{source}: no disk left at {state} or at {source.parent}; make room and run again"
            ) from None
        raise InputError(
            f"{error.filename or source}: cannot be written ({error.strerror}); make its folder writable"
        ) from None
    finally:
        lock.release()
    return source


def _bring_from(source: Path, wanted: dict, part: Path) -> None:
    if wanted.get("kaggle"):
        bring_dataset(wanted["kaggle"], source, part)
    elif wanted.get("mendeley"):
        url, sha256, by_hand = _find_mendeley(wanted["mendeley"], source)
        download(url, source, part, sha256=sha256, by_hand=by_hand)
    else:
        download(wanted["url"], source, part, sha256=wanted.get("sha256"))


def _find_mendeley(dataset: str, source: Path) -> tuple[str, str | None, str]:
    """Find the address and SHA-256 of a dataset's only file, else the address of Mendeley's zip of all of them.

    These addresses are those of the dataset's own page; Mendeley documents only a programming interface that needs a
    login (https://dev.mendeley.com/methods/#datasets).

    Returns:
        url, sha256 or None, and how to get the data by hand.
    """
    name, _, version = dataset.partition("/")
    by_hand = f"open {MENDELEY}/datasets/{dataset} in a browser and save the data as {source}"
    files = f"{MENDELEY}/public-api/datasets/{name}"
    if not version:
        numbers = [item.get("version") for item in _list(get_json(f"{files}/versions", by_hand))]
        known = [number for number in numbers if isinstance(number, int)]
        if not known:
            raise InputError(f"{files}/versions: names no version; set data.download.mendeley to {name}/VERSION")
        version = str(max(known))
    root = _list(get_json(f"{files}/files?folder_id=root&version={version}", by_hand))
    folders = _list(get_json(f"{files}/folders/{version}", by_hand))
    details = root[0].get("content_details") if len(root) == 1 and not folders else None
    if isinstance(details, dict) and str(details.get("download_url", "")).startswith(("http://", "https://")):
        sha256 = str(details.get("sha256_hash")).lower()
        return details["download_url"], sha256 if re.fullmatch("[0-9a-f]{64}", sha256) else None, by_hand
    return f"{MENDELEY}/public-api/zip/{name}/download/{version}", None, by_hand


def _list(document) -> list[dict]:
    return [item for item in document if isinstance(item, dict)] if isinstance(document, list) else []
