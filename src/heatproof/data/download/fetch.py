"""Data that are not there yet: from an address, from Kaggle, or from Mendeley Data."""

import errno
import hashlib
import os
import re
import shutil
from pathlib import Path

from filelock import FileLock, Timeout

from heatproof.core.messages import InputError, line
from heatproof.data.download.transfer import download as bring
from heatproof.data.download.transfer import get_json, place, shown


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
            _bring(source, download, part)
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


def _bring(source: Path, download: dict, part: Path) -> None:
    if download.get("kaggle"):
        bring_dataset(download["kaggle"], source, part)
    elif download.get("mendeley"):
        url, sha256, by_hand = _find_mendeley(download["mendeley"], source)
        bring(url, source, part, sha256=sha256, by_hand=by_hand)
    else:
        bring(download["url"], source, part, sha256=download.get("sha256"))


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
