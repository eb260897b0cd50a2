"""`heatproof explain`: the heatmaps of one checkpoint."""

import argparse
import json

import numpy as np
import pandas as pd

from heatproof import artifacts
from heatproof.explain.external import NONE, Read, read_external
from heatproof.explain.job import Job, open_job
from heatproof.explain.methods import Batch
from heatproof.progress import steps


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--study", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--seed", required=True, type=int)
    parser.add_argument("--fold", required=True, help="which split: a column of the manifest")
    parser.add_argument("--config", required=True, type=json.loads, help="section explain, as JSON")
    parser.add_argument("--compute", required=True, type=json.loads, help="section compute, as JSON")
    parser.add_argument("--variants", action="store_true", help="maps of changed images and of changed models instead")
    parser.add_argument(
        "--random-labels", action="store_true", help="with --variants: of a model of shuffled labels too"
    )


def run(args: argparse.Namespace) -> None:
    if args.variants:
        from heatproof.explain import variants

        variants.run(args)
        return
    job = open_job(args)
    size, external = args.config["batch_size"], args.config["external"]
    folder = artifacts.heatmap_dir(args.study, args.model, args.seed, args.fold)
    count = sum(int(chosen.sum()) for chosen in job.chosen.values()) + len(external) * len(job.rows)
    image_ids = list(job.manifest["image_id"].iloc[job.rows])
    brought = {
        name: read_external(path.format(model=args.model, seed=args.seed), image_ids, f"explain.external.{name}")
        for name, path in external.items()
    }
    every = np.arange(len(job.rows))
    batches = [every[start : start + size] for start in range(0, len(every), size)]
    parts, filled = [], 0
    with artifacts.writing_array(folder / "maps.npy", (count, job.size, job.size), "float32") as array:
        for places in steps(batches, len(batches), f"{job.name}: batches"):
            batch = job.batch(job.rows[places])
            made = [job.part(name, places, batch) for name in job.methods]
            made += [_brought(job, name, read, places, batch) for name, read in brought.items()]
            for part, maps in made:
                parts.append(part.assign(row=part["row"].where(part["row"] < 0, part["row"] + filled)))
                array[filled : filled + len(maps)] = maps
                filled += len(maps)
    order = {name: place for place, name in enumerate([*job.methods, *external])}
    frame = pd.concat(parts, ignore_index=True)
    frame = frame.sort_values("method", key=lambda names: names.map(order), kind="stable")
    artifacts.write_table(folder / "index.parquet", frame, artifacts.HEATMAPS)


def _brought(job: Job, name: str, read: Read, places: np.ndarray, batch: Batch) -> tuple[pd.DataFrame, np.ndarray]:
    """Index and maps of some images, made elsewhere."""
    maps, reasons = read(slice(places[0], places[-1] + 1), job.size)
    here = np.array([reason != NONE for reason in reasons])
    found = {"degenerate": reasons, "gap": np.nan, "row": np.where(here, here.cumsum() - 1, -1), "variant": ""}
    return job.index(name, job.rows[places], batch, **found), maps
