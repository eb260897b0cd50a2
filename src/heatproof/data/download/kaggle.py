"""Datasets from Kaggle, through kagglehub, which knows the logins, resumes and unpacks."""

import os
import shutil
from pathlib import Path

from heatproof.data.download.transfer import place
from heatproof.errors import InputError


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
