"""What the scoring jobs share: where their heatmaps and images lie, and a table that is written as it grows."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from heatproof import artifacts, progress
from heatproof.artifacts import Checkpoint
from heatproof.catalogue.reasons import NO_TRUTH, OTHER_LABEL, UNDECLARED
from heatproof.labels import marks, truth
from heatproof.score import controls, heatmaps
from heatproof.shards import Piece, Share


@dataclass(frozen=True)
class Scoring:
    """One job: the scores of a checkpoint by one family of metrics.

    Attributes:
        checkpoint: without a seed where the family looks across seeds.
        options: the family's part of section `score`.
        compute: section `compute`, or what the family reads of it.
        seeds: those to compare, the reference first, and
        models: all of the study, where the family looks across seeds.
    """

    checkpoint: Checkpoint
    family: str
    options: dict
    compute: dict
    share: Share
    seeds: Sequence[int] = ()
    models: Sequence[str] = ()

    @property
    def path(self) -> Path:
        return self.checkpoint.scores(self.family)

    def parts(self, pieces: Sequence[Piece]) -> Iterator[Piece]:
        """Go through those pieces of the work that are this job's, and show how far it is."""
        mine = self.share.mine(pieces)
        return progress.steps(mine, len(mine), f"{self.checkpoint}: {self.family}, parts")

    @contextmanager
    def writing(self, source: heatmaps.Heatmaps) -> Iterator[Callable[[pd.DataFrame], None]]:
        """Write the scores of these heatmaps part by part: frames as `heatmaps.scores` makes them."""
        names = {"model": self.checkpoint.model}
        names["seed"] = pd.NA if self.checkpoint.seed is None else self.checkpoint.seed
        more = {"label": artifacts.INTEGER} if source.multilabel else None
        with artifacts.writing_table(self.share.written(self.path), artifacts.SCORES, more) as write:
            yield lambda frame: write(frame.assign(**names))
        self.share.sweep(self.path)

    def join(self) -> None:
        """Write the scores of all shards as one table, in the parts that they were written in."""
        parts = self.share.parts(self.path)
        more = {"label": artifacts.INTEGER} if "label" in pq.read_schema(parts[0]).names else None
        with artifacts.writing_table(self.path, artifacts.SCORES, more) as write:
            for path in parts:
                artifacts.verify(path)
                with pq.ParquetFile(path) as table:
                    for part in range(table.num_row_groups):
                        write(table.read_row_group(part).to_pandas())
        self.share.sweep(self.path)


def heatmaps_of(checkpoint: Checkpoint) -> heatmaps.Heatmaps:
    """Open the heatmaps of a checkpoint, with the controls that look at images and masks."""
    found = heatmaps.read(checkpoint.study, checkpoint.heatmaps)
    return replace(found, beside=_beside(checkpoint, found))


def _beside(checkpoint: Checkpoint, found: heatmaps.Heatmaps) -> heatmaps.Beside:
    folder = artifacts.data_dir(checkpoint.study)
    manifest = artifacts.read_manifest(checkpoint.study, checkpoint.fold)
    rows = _rows(checkpoint.study, manifest, found.images["image_id"])
    masks = artifacts.read_array(folder / "masks.npy")
    learnt = np.flatnonzero((manifest["split"] == "train") & (manifest["truth"] != "none"))
    labels = (found.images if found.multilabel else rows)["label"].to_numpy("int64")
    held = truth(rows, 1 + labels.max()) if found.multilabel else None
    untrue = np.where(rows["truth"] != "none", "", NO_TRUTH.text).astype(object)
    if found.multilabel:
        other = OTHER_LABEL.text if "marks_0" in rows else UNDECLARED.text
        untrue = np.where((untrue == "") & ~marks(rows, labels), other, untrue)
    return heatmaps.Beside(
        pixels=artifacts.read_array(folder / "pixels.npy"),
        masks=masks,
        places=rows.index.to_numpy("int64"),
        untrue=untrue,
        labels=labels,
        present=None if held is None else held[np.arange(len(labels)), labels],
        mean_mask=controls.mean_mask(masks, learnt),
    )


def _rows(study: str, manifest: pd.DataFrame, image_ids: Sequence[str]) -> pd.DataFrame:
    """The manifest's rows of some images, in their order, indexed by their place in the pixel array."""
    places = manifest.reset_index().set_index("image_id")["index"].reindex(image_ids)
    if places.isna().any():
        path, first = artifacts.data_dir(study) / "manifest.parquet", places.index[places.isna()][0]
        raise artifacts.ArtifactError(f"{path}: no image {first!r}, which has heatmaps; run snakemake again")
    return manifest.loc[places.astype(int)]
