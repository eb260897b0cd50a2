"""Heatmaps that a user made elsewhere: an .npz file with one map an image id, or a folder of <image id>.npy files."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from heatproof.catalogue.reasons import NO_EXTERNAL_MAP
from heatproof.errors import InputError
from heatproof.maps import degeneracy, upsample

UNREADABLE = (OSError, ValueError, EOFError, zipfile.BadZipFile)
NONE = NO_EXTERNAL_MAP.text

Read = Callable[[slice, int], tuple[np.ndarray, list[str]]]


def read_external(path: str, image_ids: list[str], key: str = "explain.external") -> Read:
    """Open a user's maps of some images, in their order; one is in memory at a time.

    Returns:
        A function of (which images, side in pixels) that gives their maps, float32 [found, side, side], and for each
        image the reason why it cannot be scored, "" where it can; an image with no map gets `NONE` and none.

    Raises:
        InputError: there is nothing at `path`, it holds no map of any of these images, or a map is no square 2-d
            array of numbers.
    """
    where = Path(path)
    mend = "an .npz file with one 2-d array an image id, or a folder of <image id>.npy files"
    if not where.exists():
        raise InputError(f"{key}: {path}: not there; it names {mend}")
    opened = _open(where, mend, key)
    names = set(opened)
    if not names & set(image_ids):
        have = f"it has {sorted(names)[0]!r}" if names else "it is empty"
        raise InputError(f"{key}: {path}: no map of any image explained: {have}, asked is {image_ids[0]!r}; {mend}")

    def read(image_id: str, side: int) -> torch.Tensor:
        try:
            array = np.asarray(opened[image_id]())
        except UNREADABLE as error:
            raise InputError(
                f"{key}: {path}: {image_id}: cannot be read ({' '.join(str(error).split())}); {mend}"
            ) from error
        if array.ndim != 2 or array.shape[0] != array.shape[1] or array.dtype.kind not in "fiub" or not array.size:
            raise InputError(
                f"{key}: {path}: {image_id}: {array.dtype} of shape {array.shape}; a map is a 2-d array of numbers, as "
                f"high as wide: the image is a square of {side} pixels when it is explained"
            )
        return upsample(torch.from_numpy(array.astype(np.float32))[None], (side, side))

    def maps_of(here: slice, side: int) -> tuple[np.ndarray, list[str]]:
        found = {image_id: read(image_id, side) for image_id in image_ids[here] if image_id in names}
        stack = torch.cat(list(found.values())) if found else torch.empty(0, side, side)
        why = dict(zip(found, degeneracy(stack), strict=True))
        return stack.numpy(), [why.get(image_id, NONE) for image_id in image_ids[here]]

    return maps_of


def _open(where: Path, mend: str, key: str) -> dict[str, Callable[[], np.ndarray]]:
    """Image id -> what reads its map; nothing is unpickled."""
    if where.is_dir():
        files = sorted(where.rglob("*.npy"))
        return {
            file.relative_to(where).with_suffix("").as_posix(): lambda file=file: np.load(file, allow_pickle=False)
            for file in files
        }
    try:
        archive = np.load(where, allow_pickle=False)
    except UNREADABLE as error:
        raise InputError(f"{key}: {where}: cannot be read ({' '.join(str(error).split())}); {mend}") from error
    if not isinstance(archive, np.lib.npyio.NpzFile):
        raise InputError(f"{key}: {where}: a single array; {mend}")
    return {name: lambda name=name: archive[name] for name in archive.files}
