"""What the scoring jobs share: where their heatmaps and images lie, and a table that is written as it grows."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import torch
from torch import Tensor

from heatproof.catalogue.families import FAMILIES
from heatproof.catalogue.reasons import DEGENERATE_CHANGED, NO_TRUTH, NO_VARIANT, OTHER_LABEL, UNDECLARED
from heatproof.core import messages
from heatproof.core.geometry import DEGENERATE
from heatproof.score import controls, heatmaps
from heatproof.score.heatmaps import Heatmaps, Stack, cases
from heatproof.store import artifacts
from heatproof.store.artifacts import Checkpoint, marks, truth
from heatproof.store.kept import KeptScores, recipe
from heatproof.store.sealing import Piece, Share


@dataclass(frozen=True)
class Scoring:
    """One job: the scores of a checkpoint by one family of metrics.

    Attributes:
        checkpoint: without a seed where the family looks across seeds.
        options: the family's part of section `score`.
        compute: section `compute`, or what the family reads of it.
        seeds: those to compare, the reference first, and
        models: all of the study, where the family looks across seeds.
        code: digest of the job's code; without it nothing is kept.
    """

    checkpoint: Checkpoint
    family: str
    options: dict
    compute: dict
    share: Share
    seeds: Sequence[int] = ()
    models: Sequence[str] = ()
    code: str | None = None

    @property
    def path(self) -> Path:
        return self.checkpoint.scores(self.family)

    @property
    def curves(self) -> Path:
        """Where the curves behind the scores lie, if the family has any."""
        return self.checkpoint.curves(self.family)

    @property
    def tables(self) -> dict[Path, dict[str, str]]:
        """The tables that the job writes, with their columns."""
        return {self.path: artifacts.SCORES} | ({self.curves: artifacts.CURVES} if FAMILIES[self.family].curves else {})

    def written(self, path: Path) -> Path:
        """Return what this job writes in place of a table: a shard's parts lie in one folder."""
        return self.share.written(self.path).with_name(path.name)

    def kept(
        self, source: Heatmaps, names: Iterable[str], content: Callable[[str], object] | None = None, *more: object
    ) -> KeptScores:
        """Find the methods and controls whose rows of the table before stay.

        Args:
            source: the heatmaps that are scored.
            names: of all methods and controls, in the order of the table.
            content: what is read of a method's heatmaps; by default those of `source`.
            more: what else is read.
        """
        if self.code is None:
            return KeptScores([*self.tables])
        paths = [artifacts.data_dir(self.checkpoint.study) / "digest.json"]
        if FAMILIES[self.family].loads_model:
            paths.append(self.checkpoint.card)
        if self.options.get("regions"):
            paths.append(paths[0].with_name("regions.npy"))
        machine = [torch.__version__, "device" in self.compute and torch.cuda.is_available()]
        shared = [self.code, self.options, self.compute, [artifacts.sealed(path) for path in paths], machine]
        content = cache(content or source.content)
        recipes = {
            name: recipe(shared, source.scene, more, content(method) if (method := source.shown(name)) else None)
            for name in names
        }
        return KeptScores.of(f"{self.checkpoint}: {self.family}", [*self.tables], recipes)

    def parts(self, pieces: Sequence[Piece]) -> Iterator[tuple[int, Piece]]:
        """Go through those pieces of the work that are this job's, by number, and show how far it is."""
        mine = self.share.mine(list(enumerate(pieces)))
        return messages.steps(mine, len(mine), f"{self.checkpoint}: {self.family}, parts")

    @contextmanager
    def writing(self, source: Heatmaps, kept: KeptScores | None = None) -> Iterator[Callable[[pd.DataFrame], None]]:
        """Write the scores of these heatmaps part by part: frames as `heatmaps.scores` makes them."""
        names = {"model": self.checkpoint.model}
        names["seed"] = pd.NA if self.checkpoint.seed is None else self.checkpoint.seed
        more = {"label": artifacts.INTEGER} if source.multilabel else None
        with artifacts.writing_table(self.share.written(self.path), artifacts.SCORES, more) as write:
            yield lambda frame: write(frame.assign(**names))
        if kept:
            kept.store(self.share)
        self.share.sweep(self.path)

    @contextmanager
    def writing_curves(self, source: Heatmaps) -> Iterator[Callable[[pd.DataFrame], None]]:
        """Write the curves behind the scores part by part: frames with the columns of `CURVES`."""
        more = {"label": artifacts.INTEGER} if source.multilabel else None
        with artifacts.writing_table(self.written(self.curves), artifacts.CURVES, more) as write:
            yield write

    def join(self) -> None:
        """Write the tables of all shards as one each, in the parts that they were written in."""
        for path, schema in self.tables.items():
            parts = [part.with_name(path.name) for part in self.share.parts(self.path)]
            more = {"label": artifacts.INTEGER} if "label" in pq.read_schema(parts[0]).names else None
            with artifacts.writing_table(path, schema, more) as write:
                for part in parts:
                    artifacts.verify(part)
                    with pq.ParquetFile(part) as table:
                        for number in range(table.num_row_groups):
                            write(table.read_row_group(number).to_pandas())
        KeptScores.of_shards([*self.tables], self.share).store(self.share)
        self.share.sweep(self.path)


def heatmaps_of(checkpoint: Checkpoint, validation: bool = False) -> Heatmaps:
    """Open the heatmaps of a checkpoint, of test or validation images, with controls that look at images and masks."""
    found = heatmaps.read(checkpoint.study, checkpoint.validation if validation else checkpoint.heatmaps)
    return replace(found, beside=_beside(checkpoint, found))


def _beside(checkpoint: Checkpoint, found: Heatmaps) -> heatmaps.Beside:
    folder = artifacts.data_dir(checkpoint.study)
    manifest = artifacts.read_manifest(checkpoint.study, checkpoint.fold)
    rows = _rows(checkpoint.study, manifest, found.images["image_id"])
    masks = artifacts.read_array(folder / "masks.npy")
    learnt = np.flatnonzero((manifest["split"] == "train") & (manifest["truth"] != "none"))
    labels = (found.images if found.multilabel else rows)["label"].to_numpy("int64")
    held = truth(rows, 1 + labels.max()) if found.multilabel else None
    untrue = np.where(rows["truth"] != "none", "", NO_TRUTH.code).astype(object)
    if found.multilabel:
        other = OTHER_LABEL.code if "marks_0" in rows else UNDECLARED.code
        untrue = np.where((untrue == "") & ~marks(rows, labels), other, untrue)
    readings, mean_mask = artifacts.read_readings(checkpoint.study), None
    named, of_readers = list(zip(rows["image_id"], labels, strict=True)), {}
    if readings and found.multilabel:
        mean_mask = _mean_masks(readings, manifest["image_id"].iloc[learnt], 1 + labels.max())
        drawn, masks = readings.truth(named), readings.masks
        untrue = np.where((untrue == "") & (drawn < 0), OTHER_LABEL.code, untrue)
        of_readers = {"drawn": np.maximum(drawn, 0)}
    if readings and (readings.table["place"] > 0).any():
        of_readers |= {"readings": readings.others(named), "read": readings.masks}
    return heatmaps.Beside(
        pixels=artifacts.read_array(folder / "pixels.npy"),
        masks=masks,
        places=rows.index.to_numpy("int64"),
        untrue=untrue,
        labels=labels,
        present=None if held is None else held[np.arange(len(labels)), labels],
        mean_mask=controls.mean_mask(masks, learnt) if mean_mask is None else mean_mask,
        **of_readers,
    )


def _mean_masks(readings: artifacts.Readings, learnt: pd.Series, labels: int) -> Tensor:
    """The mean mask of each label over its truths in training images, float32 [labels, height, width]."""
    table = readings.table.reset_index()
    table = table[(table["place"] == 0) & table["image_id"].isin(learnt)]
    rows = [table.loc[table["label"] == label, "row"].to_numpy("int64") for label in range(labels)]
    return torch.stack([controls.mean_mask(readings.masks, of_label) for of_label in rows])


def _rows(study: str, manifest: pd.DataFrame, image_ids: Sequence[str]) -> pd.DataFrame:
    """The manifest's rows of some images, in their order, indexed by their place in the pixel array."""
    places = manifest.reset_index().set_index("image_id")["index"].reindex(image_ids)
    if places.isna().any():
        path, first = artifacts.data_dir(study) / "manifest.parquet", places.index[places.isna()][0]
        raise artifacts.ArtifactError(f"{path}: no image {first!r}, which has heatmaps; run snakemake again")
    return manifest.loc[places.astype(int)]


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
