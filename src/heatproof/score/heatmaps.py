"""The heatmaps of one checkpoint, read a few images at a time, with the controls beside them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from heatproof import artifacts
from heatproof.maps import degeneracy
from heatproof.score import controls

CHUNK = 64  # images read at a time

Stack = tuple[Tensor, list[str]]  # maps [images, height, width], and why each cannot be scored ("" if it can)


@dataclass(frozen=True)
class Heatmaps:
    """What the explain stage left for one checkpoint.

    Attributes:
        study: the study's name, which fixes the controls.
        images: one row an image: image_id, group, target.
        methods: in the study's order; controls that need a map or a grid take the first one's.
        grid: rows and columns of the layer that the first method explains.
        rows: int [methods, images], where in `array` a map lies.
        flags: str [methods, images], the explain stage's reason why a map is degenerate, or "".
        partners: int [images], whose map is the control `other_image`.
        array: float32 [rows, height, width], mapped from disk.
    """

    study: str
    images: pd.DataFrame
    methods: tuple[str, ...]
    grid: tuple[int, int]
    rows: np.ndarray
    flags: np.ndarray
    partners: np.ndarray
    array: np.ndarray

    def __len__(self) -> int:
        return len(self.images)

    def read(self, method: int, images: np.ndarray) -> Stack:
        """Maps of one method; one that its own stage has flagged is not read, and is NaN."""
        maps = torch.from_numpy(self.array[self.rows[method, images]])
        flags = self.flags[method, images]
        maps[torch.from_numpy(flags != "")] = torch.nan
        reasons = [flag or reason for flag, reason in zip(flags, degeneracy(maps), strict=True)]
        return maps, [f"degenerate map: {reason}" if reason else "" for reason in reasons]

    def stacks(self, images: np.ndarray, *draw: int) -> dict[str, Stack]:
        """Maps of every method and control for some images; `draw` makes the random controls differ."""
        size = self.array.shape[1:]
        keys = [(self.study, image_id, *draw) for image_id in self.images.image_id.iloc[images]]
        stacks = {method: self.read(i, images) for i, method in enumerate(self.methods)}
        made = {
            controls.RANDOM: controls.random_maps(keys, size),
            controls.LOWRES_NOISE: controls.lowres_noise(keys, self.grid, size),
            controls.CENTER: controls.center_blob(size).expand(len(images), *size),
        }
        stacks |= {name: checked(maps) for name, maps in made.items()}
        maps, reasons = self.read(0, self.partners[images])
        alone = self.partners[images] == images
        maps[torch.from_numpy(alone)] = torch.nan
        stacks[controls.OTHER_IMAGE] = (
            maps,
            ["no other image" if a else r for a, r in zip(alone, reasons, strict=True)],
        )
        return stacks

    def chunks(self) -> Iterator[np.ndarray]:
        """Indices of the images, a few at a time."""
        for start in range(0, len(self), CHUNK):
            yield np.arange(start, min(start + CHUNK, len(self)))


def checked(maps: Tensor) -> Stack:
    """Maps made here, with the reason for each that is degenerate."""
    return maps, [f"degenerate map: {reason}" if reason else "" for reason in degeneracy(maps)]


def read(study: str, folder: Path) -> Heatmaps:
    """Open the heatmaps of one checkpoint.

    Raises:
        ArtifactError: a file is missing or damaged, or index and maps do not fit each other.
    """
    path = folder / "index.parquet"
    index = artifacts.read_table(path, artifacts.HEATMAPS)
    array = artifacts.read_array(folder / "maps.npy")
    if array.ndim != 3 or len(array) != len(index) or not len(index):
        raise artifacts.ArtifactError(
            f"{path}: {len(index)} rows, and maps.npy of shape {array.shape} beside it; delete both and run again"
        )
    images = index.drop_duplicates("image_id")[["image_id", "group", "target"]].reset_index(drop=True)
    methods = tuple(index.method.unique())
    order = pd.MultiIndex.from_frame(index[["method", "image_id"]])
    wanted = pd.MultiIndex.from_product([methods, images.image_id])
    if not order.is_unique or len(order) != len(wanted):
        raise artifacts.ArtifactError(f"{path}: not one map for each image and method; delete the file and run again")
    rows = order.get_indexer(wanted).reshape(len(methods), len(images))
    first = index.iloc[rows[0, 0]]
    return Heatmaps(
        study=study,
        images=images,
        methods=methods,
        grid=(int(first.grid_height), int(first.grid_width)),
        rows=rows,
        flags=index.degenerate.to_numpy(object)[rows],
        partners=controls.other_images(study, list(images.image_id), list(images.group)),
        array=array,
    )


def scores(
    images: pd.DataFrame,
    method: str,
    values: dict[str, Tensor],
    reasons: list[str],
    undefined: str = "undefined",
) -> pd.DataFrame:
    """Rows of the score table, without model and seed, for one method's values of some images.

    Args:
        images: image_id and group of each image.
        values: per metric, float [images].
        reasons: why an image has no value for any metric, or "".
        undefined: the reason where a single metric has none.
    """
    parts = []
    for metric, value in values.items():
        reason = np.array(reasons, object)
        number = np.where(reason == "", value.numpy(), np.nan)
        reason[(reason == "") & np.isnan(number)] = undefined
        part = images[["image_id", "group"]].assign(method=method, metric=metric, value=number, reason=reason)
        parts.append(part)
    return pd.concat(parts)
