"""What the scoring jobs share: where their heatmaps and images lie, and a table that is written as it grows."""

import argparse
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from heatproof import artifacts, shards
from heatproof.catalogue.reasons import NO_TRUTH, OTHER_LABEL, UNDECLARED
from heatproof.labels import marks, truth
from heatproof.score import controls, heatmaps


def name(args: argparse.Namespace) -> str:
    """Which checkpoint is scored, for lines of progress."""
    return "/".join(str(part) for part in (args.study, args.model, args.seed, args.fold) if part is not None)


def heatmaps_of(
    args: argparse.Namespace, seed: int | None = None, model: str | None = None, *, beside: bool = False
) -> heatmaps.Heatmaps:
    """The heatmaps of the job's checkpoint, or of another seed or model; `beside` adds the controls that look at
    images and masks."""
    seed = args.seed if seed is None else seed
    found = heatmaps.read(args.study, artifacts.heatmap_dir(args.study, model or args.model, seed, args.fold))
    return replace(found, beside=_beside(args, found)) if beside else found


def _beside(args: argparse.Namespace, found: heatmaps.Heatmaps) -> heatmaps.Beside:
    folder = artifacts.data_dir(args.study)
    manifest = artifacts.read_manifest(args.study, args.fold)
    rows = _rows(args, manifest, found.images["image_id"])
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


def _rows(args: argparse.Namespace, manifest: pd.DataFrame, image_ids: Sequence[str]) -> pd.DataFrame:
    """The manifest's rows of some images, in their order, indexed by their place in the pixel array."""
    places = manifest.reset_index().set_index("image_id")["index"].reindex(image_ids)
    if places.isna().any():
        path, first = artifacts.data_dir(args.study) / "manifest.parquet", places.index[places.isna()][0]
        raise artifacts.ArtifactError(f"{path}: no image {first!r}, which has heatmaps; run snakemake again")
    return manifest.loc[places.astype(int)]


@contextmanager
def writing_scores(args: argparse.Namespace, source: heatmaps.Heatmaps) -> Iterator[Callable[[pd.DataFrame], None]]:
    """Write the job's scores of these heatmaps part by part: frames as `heatmaps.scores` makes them."""
    more = {"label": artifacts.INTEGER} if source.multilabel else None
    with artifacts.writing_table(shards.written(_path(args), args), artifacts.SCORES, more) as write:
        yield lambda frame: write(frame.assign(model=args.model, seed=pd.NA if args.seed is None else args.seed))
    shards.sweep(_path(args), args)


def join(args: argparse.Namespace) -> None:
    """Write the scores of all shards as one table, in the parts that they were written in."""
    parts = shards.parts(_path(args), args)
    more = {"label": artifacts.INTEGER} if "label" in pq.read_schema(parts[0]).names else None
    with artifacts.writing_table(_path(args), artifacts.SCORES, more) as write:
        for path in parts:
            artifacts.verify(path)
            with pq.ParquetFile(path) as table:
                for part in range(table.num_row_groups):
                    write(table.read_row_group(part).to_pandas())
    shards.sweep(_path(args), args)


def _path(args: argparse.Namespace) -> Path:
    return artifacts.score_path(args.study, args.model, args.family, args.fold, args.seed)
