"""Datasets from Kaggle, through kagglehub.

kagglehub knows the logins and resumes, but its first request has no timeout, it looks at no free disk, its progress
fills a log, and it refuses to go on in an output folder with a partial file. So it downloads into a cache of our own,
with these three mended, and what it has unpacked is moved to its place.
"""

import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch
from zipfile import BadZipFile

from heatproof.data.download.disk import Meter, check_disk, place
from heatproof.data.download.web import Broken, Patience, explain, insist
from heatproof.errors import InputError

_LOGIN = (
    "log in: make a token at kaggle.com (Settings, API) and put it into KAGGLE_API_TOKEN or ~/.kaggle/access_token; "
    "some datasets must also be agreed to on their page"
)
_AGAIN = {408, 429, 500, 502, 503, 504}


def bring_dataset(name: str, source: Path, cache: Path, patience: Patience) -> None:
    """Download and unpack the latest version of a dataset (owner/name) into the folder `source`.

    Args:
        cache: folder for what has come so far.

    Raises:
        InputError: one line with the dataset's address, what happened, and the mend.
    """
    url = f"https://www.kaggle.com/datasets/{name}"
    with _mended(url, source, cache, patience):
        unpacked = insist(
            lambda: _attempt(name, url, cache, patience), url, patience, lambda: sum(_archives(cache).values())
        )
    source.parent.mkdir(parents=True, exist_ok=True)
    place(Path(unpacked), source)
    shutil.rmtree(cache)


def _attempt(name: str, url: str, cache: Path, patience: Patience) -> str:
    import kagglehub
    import requests
    import urllib3
    from kagglehub.exceptions import DataCorruptionError

    try:
        return kagglehub.dataset_download(name)
    except InputError:  # of the meter; it is a ValueError
        raise
    except requests.HTTPError as error:
        status = error.response.status_code if error.response is not None else 0
        if status in _AGAIN:
            raise Broken(f"the server says {status} {error.response.reason}") from None
        if status in (401, 403):
            raise InputError(f"{url}: the server wants a login ({status}); {_LOGIN}") from None
        raise InputError(f"{url}: the server says {status or error}; check data.download.kaggle") from None
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        raise Broken(explain(error, url, patience)) from None
    except DataCorruptionError:  # kagglehub has removed the file
        raise Broken("its checksum does not fit") from None
    except (BadZipFile, EOFError, ValueError) as error:
        if not _archives(cache):
            raise InputError(f"{url}: {' '.join(str(error).split())}; {_LOGIN}") from None
        for archive in _archives(cache):  # damaged, or two versions in one
            archive.unlink()
        raise Broken("what came is no archive") from None


def _archives(cache: Path) -> dict[Path, int]:
    return {path: path.stat().st_size for path in cache.rglob("*.archive")}


@contextmanager
def _mended(url: str, source: Path, cache: Path, patience: Patience) -> Iterator[None]:
    """kagglehub with a cache of its own, timeouts, a look at the disk, and our progress."""
    import kagglehub.clients
    import requests

    logging.getLogger("kagglehub").setLevel(logging.WARNING)
    send = requests.adapters.HTTPAdapter.send

    def send_in_time(self, request, timeout=None, **options):
        return send(self, request, timeout=timeout or (patience.connect, patience.read), **options)

    def meter(total: int, initial: int = 0, **_) -> Meter:
        check_disk(url, 2 * total - initial, cache)  # the archive, and at least as much unpacked
        return Meter(source.name, total, initial)

    places = {"KAGGLEHUB_CACHE": str(cache), "DISABLE_KAGGLE_CACHE": "1", "DISABLE_COLAB_CACHE": "1"}
    with (
        patch.dict(os.environ, places),
        patch.object(kagglehub.clients, "tqdm", meter),
        patch.object(requests.adapters.HTTPAdapter, "send", send_in_time),
    ):
        yield
