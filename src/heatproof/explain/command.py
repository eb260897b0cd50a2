"""`heatproof job explain`: the heatmaps of one checkpoint, and those that a user made elsewhere."""

import argparse
import json
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from heatproof.catalogue.reasons import NO_EXTERNAL_MAP
from heatproof.core.geometry import degeneracy, upsample
from heatproof.core.messages import InputError, steps
from heatproof.explain.job import Job, external_path, open_job, recipes
from heatproof.explain.methods import Batch
from heatproof.store import artifacts, sealing
from heatproof.store.artifacts import Checkpoint
from heatproof.store.kept import KeptMaps
from heatproof.store.sealing import Share

UNREADABLE = (OSError, ValueError, EOFError, zipfile.BadZipFile)
NONE = NO_EXTERNAL_MAP.code

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
    fix = "an .npz file with one 2-d array an image id, or a folder of <image id>.npy files"
    if not where.exists():
        raise InputError(f"{key}: {path}: not found; it names {fix}")
    opened = _open(where, fix, key)
    names = set(opened)
    if not names & set(image_ids):
        have = f"it has {sorted(names)[0]!r}" if names else "it is empty"
        raise InputError(f"{key}: {path}: no map of any explained image: {have}, requested: {image_ids[0]!r}; {fix}")

    def read(image_id: str, side: int) -> torch.Tensor:
        try:
            array = np.asarray(opened[image_id]())
        except UNREADABLE as error:
            raise InputError(
                f"{key}: {path}: {image_id}: cannot be read ({' '.join(str(error).split())}); {fix}"
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


def _open(where: Path, fix: str, key: str) -> dict[str, Callable[[], np.ndarray]]:
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
        raise InputError(f"{key}: {where}: cannot be read ({' '.join(str(error).split())}); {fix}") from error
    if not isinstance(archive, np.lib.npyio.NpzFile):
        raise InputError(f"{key}: {where}: a single array; {fix}")
    return {name: lambda name=name: archive[name] for name in archive.files}


Piece = tuple[pd.DataFrame, np.ndarray]  # index of some maps, which counts them from 0, and the maps


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `run`."""
    Checkpoint.add_arguments(parser)
    parser.add_argument("--config", required=True, type=json.loads, help="section explain, as JSON")
    parser.add_argument("--compute", required=True, type=json.loads, help="section compute, as JSON")
    parser.add_argument(
        "--code", type=json.loads, help="digest of the code behind each method, as JSON; without it nothing is kept"
    )
    parser.add_argument("--validation", action="store_true", help="explain validation images, to tune thresholds on")
    sealing.add_arguments(parser)


def run(args: argparse.Namespace) -> None:
    """Explain the images of a checkpoint and write `<heatmaps>/maps.npy` and the index beside it."""
    checkpoint, share = Checkpoint.of(args), Share(args.shards, args.shard)
    folder = checkpoint.validation if args.validation else checkpoint.heatmaps
    paths = folder / "maps.npy", folder / "index.parquet"
    if share.joining:
        kept, made = KeptMaps.of_shards(paths, share), _joined(share.parts(paths[0]))
    else:
        kept = KeptMaps.of(str(checkpoint), paths, recipes(checkpoint, args.config, args.compute, args.code))
        made = _explained(checkpoint, args.config, args.compute, share, kept, args.validation)
    _write(share.written(paths[0]), *made)
    kept.store(share)
    share.sweep(paths[0])


def _explained(
    checkpoint: Checkpoint, config: dict, compute: dict, share: Share, kept: KeptMaps, validation: bool
) -> tuple[tuple[int, ...], Iterator[Piece]]:
    """Return the shape of all maps that this job makes, and the maps, made as they are wanted."""
    job = open_job(checkpoint, config, compute, validation)
    size, image_ids = config["batch_size"], job.names()
    external = {name: external_path(checkpoint, path) for name, path in config["external"].items()}
    supplied = {
        name: read_external(path, image_ids, f"explain.external.{name}")
        for name, path in external.items()
        if name not in kept
    }
    every = np.arange(len(job.rows))
    batches = share.mine([every[start : start + size] for start in range(0, len(every), size)])
    count = sum(int(chosen[places].sum()) for chosen in job.chosen.values() for places in batches)
    count += len(external) * sum(map(len, batches))
    return (count, job.size, job.size), _made(job, [*job.methods, *external], supplied, batches, kept)


def _made(
    job: Job, names: list[str], supplied: dict[str, Read], batches: list[np.ndarray], kept: KeptMaps
) -> Iterator[Piece]:
    for places in steps(batches, len(batches), f"{job.name}: batches"):
        batch = None if kept.names.issuperset(names) else job.batch(places)
        for name in names:
            if name in kept:
                yield kept.part(name, places)
            elif name in supplied:
                yield _supplied(job, name, supplied[name], places, batch)
            else:
                yield job.part(name, places, batch)


def _joined(paths: list[Path]) -> tuple[tuple[int, ...], list[Piece]]:
    """The shape of all maps and what the shards made, mapped from disk."""
    arrays = [artifacts.read_array(path) for path in paths]
    indices = [artifacts.read_table(path.with_name("index.parquet"), artifacts.HEATMAPS) for path in paths]
    both = zip(indices, arrays, strict=True)
    pieces = [(index, array[: int((index["row"] >= 0).sum())]) for index, array in both if len(index)]
    return (sum(map(len, arrays)), *arrays[0].shape[1:]), pieces


def _write(path: Path, shape: tuple[int, ...], pieces: Iterable[Piece]) -> None:
    """Write maps as they are made, and their index. What a refused method left free lies behind them, and is zero."""
    parts, filled = [], 0
    with artifacts.writing_array(path, shape, "float32") as array:
        for part, maps in pieces:
            parts.append(_columns(part.assign(row=part["row"].where(part["row"] < 0, part["row"] + filled))))
            array[filled : filled + len(maps)] = maps
            filled += len(maps)
    columns = list(parts[0]) if parts else list(artifacts.HEATMAPS)
    frame = pd.DataFrame({name: np.concatenate([part[name] for part in parts]) if parts else [] for name in columns})
    order = {name: place for place, name in enumerate(frame["method"].unique())}  # each batch has all methods in order
    frame = frame.sort_values("method", key=lambda names: names.map(order), kind="stable")
    artifacts.write_table(path.with_name("index.parquet"), frame, artifacts.HEATMAPS)


def _columns(part: pd.DataFrame) -> dict[str, np.ndarray]:
    """Return the columns of a few rows; many small frames take a hundred times the memory of their cells."""
    return {
        name: np.broadcast_to(column.iloc[:1].to_numpy(), len(part))
        if column.nunique(dropna=False) == 1
        else column.to_numpy()
        for name, column in part.items()
    }


def _supplied(job: Job, name: str, read: Read, places: np.ndarray, batch: Batch) -> tuple[pd.DataFrame, np.ndarray]:
    """Index and maps of some images, made elsewhere."""
    maps, reasons = read(slice(places[0], places[-1] + 1), job.size)
    here = np.array([reason != NONE for reason in reasons])
    found = {"degenerate": reasons, "gap": np.nan, "row": np.where(here, here.cumsum() - 1, -1), "variant": ""}
    return job.index(name, places, batch, **found), maps
