"""The heatmaps of changed images and changed models beside those of the same images unchanged."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from heatproof.catalogue.reasons import DEGENERATE_CHANGED, NO_VARIANT
from heatproof.core.geometry import DEGENERATE
from heatproof.score import controls, heatmaps
from heatproof.score.heatmaps import Heatmaps, Stack, cases
from heatproof.store import artifacts
from heatproof.store.artifacts import Checkpoint
from heatproof.store.kept import recipe

CHUNK = 16  # images read at a time, each with all its variants


@dataclass(frozen=True)
class Variants:
    """What the explain stage left for the variants of one checkpoint.

    Attributes:
        plain: the heatmaps of the images as they are.
        places: int [images], which of the plain images have variants.
        stored: by the variant's name, its heatmaps, the images in the order of `places`.
    """

    plain: Heatmaps
    places: np.ndarray
    stored: dict[str, Heatmaps]

    def __len__(self) -> int:
        return len(self.places)

    @property
    def images(self) -> pd.DataFrame:
        return self.plain.images.iloc[self.places]

    def names_of(self, prefix: str) -> list[str]:
        """Variants whose names start so, in the order in which they were made."""
        return [name for name in self.stored if name.startswith(prefix)]

    def chunks(self) -> list[np.ndarray]:
        """Indices of the images, a few at a time."""
        return [np.arange(start, min(start + CHUNK, len(self))) for start in range(0, len(self), CHUNK)]

    @property
    def names(self) -> list[str]:
        """Return the names of the methods and controls that are scored."""
        return [*self.plain.methods, controls.RANDOM, controls.CENTER, *self.plain.others]

    @property
    def scene(self) -> str:
        """Return a digest of what a control sees that looks at no heatmap: which variants of which images."""
        return recipe(self.names_of(""), self.places.tolist())

    def content(self, method: str) -> list[str]:
        """Return digests of the heatmaps of one method, plain and of each variant."""
        changed = [maps.content(method) for maps in self.stored.values() if method in maps.methods]
        return [self.plain.content(method), *changed]

    def pair(self, name: str, chunk: np.ndarray) -> tuple[Stack, Callable[[str], Stack]]:
        """Return the maps of some images by a method or control, and a function that gives those of a variant.

        Controls stand for a variant by: `random` another draw; `center` the same blob, as a map that ignores image and
        model does; `other_image` of each method its map of another image, still in that one's frame.
        """
        places = self.places[chunk]
        if name in self.plain.methods:
            return self.plain.stack(name, places), lambda variant: self._read(variant, name, chunk)
        if name == controls.RANDOM:
            return self.plain.stack(name, places), lambda variant: self.plain.stack(name, places, variant)
        other = self.plain.stack(name, places)
        return self.plain.stack(self.plain.shown(name) or name, places), lambda variant: other

    def _read(self, name: str, method: str, chunk: np.ndarray) -> Stack:
        stored = self.stored[name]
        if method not in stored.methods:
            return torch.full((len(chunk), *self.plain.array.shape[1:]), torch.nan), [NO_VARIANT.code] * len(chunk)
        maps, reasons = stored.read(stored.methods.index(method), chunk)
        return maps, [DEGENERATE_CHANGED.code if why in DEGENERATE else why for why in reasons]


def read(checkpoint: Checkpoint) -> Variants:
    """Open the plain heatmaps of one checkpoint and the variants beside them.

    Raises:
        ArtifactError: a file is missing or damaged, or does not fit the other or the plain heatmaps.
    """
    plain = heatmaps.read(checkpoint.study, checkpoint.heatmaps)
    path = checkpoint.variants / "index.parquet"
    index = artifacts.read_table(path, artifacts.HEATMAPS)
    array = artifacts.read_array(checkpoint.variants / "maps.npy")
    fix = "delete the folder and run again"
    names, methods = (index[column].unique() for column in ("variant", "method"))
    of_row = cases(index)
    requested = of_row.unique()
    wanted = pd.MultiIndex.from_product([names, methods, requested])
    order = pd.MultiIndex.from_arrays([index["variant"], index["method"], of_row])
    if not len(index) or not order.is_unique or len(order) != len(wanted):
        raise artifacts.ArtifactError(f"{path}: not one row for each variant, method and image; {fix}")
    shape = (len(names), len(methods), len(requested))
    found = order.get_indexer(wanted).reshape(shape)
    rows, flags = (index[column].to_numpy(kind)[found] for column, kind in (("row", "int64"), ("degenerate", object)))
    if array.shape[1:] != plain.array.shape[1:] or rows.max() >= len(array) or ((rows < 0) & (flags == "")).any():
        raise artifacts.ArtifactError(f"{path}: does not fit maps.npy beside it or the maps above it; {fix}")
    places = cases(plain.images).get_indexer(requested)
    if (places < 0).any() or not set(methods) <= set(plain.methods):
        raise artifacts.ArtifactError(f"{path}: an image or a method that has no plain heatmap; {fix}")
    images = plain.images.iloc[places].reset_index(drop=True)
    stored = {
        name: replace(plain, images=images, methods=tuple(methods), rows=rows[i], flags=flags[i], array=array)
        for i, name in enumerate(names)
    }
    return Variants(plain, places, stored)


def first_reason(*reasons: list[str]) -> list[str]:
    """For each image the first reason that is given, or ""."""
    return [next(filter(None, found), "") for found in zip(*reasons, strict=True)]


def undefined(values: Tensor, reasons: list[str], reason: str) -> list[str]:
    """The reasons, with one for each image that has none and no value."""
    return [why or (reason if missing else "") for why, missing in zip(reasons, values.isnan().tolist(), strict=True)]
