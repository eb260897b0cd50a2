"""Where two results lie, which studies and files they have, and which of these are the same bytes."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from heatproof import artifacts
from heatproof.errors import InputError

STAGES = artifacts.STAGES[:-1]  # the report says what the others say, and names its machine
CHUNK = 1 << 20  # bytes of a file, and about as many values of an array, that are in memory at a time


def opened(folder: str) -> Path:
    """The folder `results` of a project, or the folder itself if it is one.

    Raises:
        InputError: there are no results.
    """
    for root in (Path(folder) / "results", Path(folder)):
        if any((root / stage).is_dir() for stage in STAGES):
            return root
    raise InputError(f"{folder}: no results there; name a project's folder, or its folder results, once it has run")


def studies(root: Path) -> list[str]:
    """The studies of which any stage has left something, in order of name."""
    found = {path.name for stage in STAGES for path in (root / stage).glob("[!.]*") if path.is_dir()}
    return sorted(found)


def chosen(a: Path, b: Path, asked: Sequence[str]) -> list[str]:
    """The studies to compare: those asked for, or all that both have.

    Raises:
        InputError: one that is asked for is not in both, or both have none in common.
    """
    here, there = studies(a), studies(b)
    both = [name for name in here if name in there]
    if missing := [name for name in asked if name not in both]:
        raise InputError(f"--study {missing[0]}: not in both folders; in both are: {', '.join(both) or 'none'}")
    if not both:
        raise InputError(f"{a} and {b}: no study in common ({', '.join(here)} and {', '.join(there)})")
    return list(dict.fromkeys(asked)) or both


def files(root: Path, stage: str, study: str) -> list[str]:
    """Paths of a stage's artifacts below its folder of the study; hidden files are none."""
    folder = root / stage / study
    paths = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sorted(path.as_posix() for path in paths if not any(part.startswith(".") for part in path.parts))


def same_bytes(a: Path, b: Path) -> bool:
    """Whether two files hold the same bytes; read only as far as they do."""
    if a.stat().st_size != b.stat().st_size:
        return False
    with a.open("rb") as first, b.open("rb") as second:
        while one := first.read(CHUNK):
            if one != second.read(CHUNK):
                return False
    return True


def compare_bytes(a: Path, b: Path, stage: str, study: str) -> dict[str, list[str]]:
    """Files of one stage: `same` bytes, `differ`, `only_a`, `only_b`."""
    here, there = files(a, stage, study), files(b, stage, study)
    both = [name for name in here if name in set(there)]
    same = [name for name in both if same_bytes(a / stage / study / name, b / stage / study / name)]
    return {
        "same": same,
        "differ": sorted(set(both) - set(same)),
        "only_a": sorted(set(here) - set(there)),
        "only_b": sorted(set(there) - set(here)),
    }


def blocks(count: int, each: int) -> Iterator[slice]:
    """Slices over `count` rows of `each` values, about `CHUNK` values at a time."""
    step = max(1, CHUNK // max(1, each))
    return (slice(start, start + step) for start in range(0, count, step))


def same_shape(a: np.ndarray, b: np.ndarray, path: Path) -> None:
    """Make sure that two arrays are of images of one size.

    Raises:
        InputError: they are not, and nothing can be said of their pixels.
    """
    if a.shape[1:] != b.shape[1:]:
        raise InputError(
            f"{path}: of shape {b.shape[1:]} an image, in the other folder {a.shape[1:]}; compare studies of one "
            "data.size and data.channels"
        )


def keys(names: list[str], here: pd.DataFrame, there: pd.DataFrame) -> list[str]:
    """The columns that tell one row from another, and the label where an image has a row for each of several."""
    return [*names, "label"] if "label" in here and "label" in there else names
