"""Data that are not there yet: from an address, from Kaggle, or from Mendeley Data.

Kaggle goes through kagglehub, which knows its logins; Mendeley Data has no client that resumes, and is reached by the
addresses that its own dataset pages use.
"""

import errno
import hashlib
import re
from pathlib import Path

from filelock import FileLock, Timeout

from heatproof.data.download.transfer import download as bring
from heatproof.data.download.transfer import get_json, shown
from heatproof.errors import InputError
from heatproof.progress import line

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
            line(f"{source}: not there; downloading {shown(download['url']) if download.get('url') else where} to it")
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
        from heatproof.data.download.kaggle import bring_dataset

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
