"""`heatproof job profiles`: tables and page of a study's activation profiles, joined from those of its checkpoints."""

import argparse
import json

import numpy as np
import pandas as pd

from heatproof.profiles import distances as compare
from heatproof.profiles import files, page
from heatproof.store import artifacts


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `run`."""
    parser.add_argument("--study", required=True)
    parser.add_argument("--models", required=True, nargs="+", help="timm names, in the order of the page")
    parser.add_argument("--seeds", required=True, nargs="+", type=int)
    parser.add_argument("--folds", required=True, nargs="+", help="fold0 first")
    parser.add_argument("--config", required=True, type=json.loads, help="section profiles, as JSON")
    parser.add_argument("--interval", required=True, type=float, help="coverage of the intervals")
    parser.add_argument("--group-kind", required=True, help="what a patient of the tables is")
    parser.add_argument("--title", required=True, help="title of the page")


def run(args: argparse.Namespace) -> None:
    """Write the tables of `files.STUDY_TABLES` and the page."""
    parts = {name: [] for name in files.STUDY_TABLES}
    for fold in args.folds:
        distances = {}
        for model in args.models:
            for seed in args.seeds:
                folder = files.profile_dir(artifacts.Checkpoint(args.study, model, seed, fold))
                where = {"model": model, "seed": seed, "fold": fold}
                for name, schema in (("layers", files.LAYERS), ("groups", files.GROUPS)):
                    parts[name].append(artifacts.read_table(folder / f"{name}.parquet", schema).assign(**where))
                found = read_distances(folder)
                distances[model, seed] = found
                ends = [compare.interval(column, args.interval) for column in found.drawn[1:].T]
                low, high = np.array(ends).reshape(-1, 2).T
                parts["distances"].append(found.table.assign(**where, low=low, high=high))
        parts["models"].append(compare.models(distances, fold, args.interval))
    tables = {}
    for name, schema in files.STUDY_TABLES.items():
        path = files.study_dir(args.study) / f"{name}.csv"
        whole = [part for part in parts[name] if len(part)]
        joined = pd.concat(whole, ignore_index=True) if whole else pd.DataFrame(columns=list(schema))
        artifacts.write_table(path, joined[list(schema)], schema)
        tables[name] = joined[list(schema)]
    with artifacts.replacing(files.page_path(args.study)) as temporary:
        temporary.write_text(page.render(args, tables, read_profiles(args)), encoding="utf-8")
    print(files.page_path(args.study))


def read_distances(folder) -> compare.Distances:
    table = artifacts.read_table(folder / "distances.parquet", files.DISTANCES)
    drawn = artifacts.read_array(folder / "draws.npy")
    if drawn.ndim != 2 or drawn.shape[1] != len(table):
        raise artifacts.ArtifactError(
            f"{folder / 'draws.npy'}: not of the rows of distances.parquet; {artifacts.REBUILT}"
        )
    return compare.Distances(table, np.vstack([table["correlation"].to_numpy(), drawn]))


def read_profiles(args: argparse.Namespace) -> dict[str, pd.DataFrame]:
    """Model -> profiles of its first seed in the first fold, which the page shows."""
    shown = [artifacts.Checkpoint(args.study, model, args.seeds[0], args.folds[0]) for model in args.models]
    return {
        one.model: artifacts.read_table(files.profile_dir(one) / "profiles.parquet", files.PROFILES) for one in shown
    }
