"""`heatproof job score`: reads the heatmaps of a model, scores them by one family of metrics, writes the scores."""

import argparse
import importlib
import json

from heatproof.catalogue.families import FAMILIES
from heatproof.core.messages import InputError
from heatproof.store import sealing


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `run`."""
    parser.add_argument("family", choices=sorted(FAMILIES), help="which metrics to compute")
    parser.add_argument("--study", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--fold", required=True, help="which split: a column of the manifest")
    parser.add_argument("--seed", type=int, help="the checkpoint; of every family but consistency")
    parser.add_argument(
        "--seeds", type=int, nargs="+", help="the checkpoints to compare, the reference first (consistency)"
    )
    parser.add_argument("--models", nargs="+", help="all models of the study, to compare with (consistency)")
    parser.add_argument("--config", type=json.loads, default={}, help="the family's part of section `score`, as JSON")
    parser.add_argument(
        "--compute",
        type=json.loads,
        default={"device": "auto", "threads": 1},
        help="section `compute`, as JSON",
    )
    parser.add_argument("--code", help="digest of the job's code; without it nothing is kept of the scores before")
    sealing.add_arguments(parser)


def run(args: argparse.Namespace) -> None:
    """Score one model by one family of metrics and write `results/scores/<study>/<model>/...`.

    Raises:
        InputError: an argument that the family needs is missing, or an artifact is missing or damaged.
    """
    needed = ["seeds", "models"] if FAMILIES[args.family].across_seeds else ["seed"]
    for name in needed:
        if getattr(args, name) is None:
            raise InputError(f"{args.family}: --{name} is missing")
    from heatproof.score.jobs.common import Scoring
    from heatproof.store.artifacts import Checkpoint  # with what `--help` can do without

    job = Scoring(
        checkpoint=Checkpoint(args.study, args.model, args.seed, args.fold),
        family=args.family,
        options=args.config,
        compute=args.compute,
        share=sealing.Share(args.shards, args.shard),
        seeds=args.seeds or [],
        models=args.models or [],
        code=args.code,
    )
    if job.share.joining:
        job.join()
    else:
        importlib.import_module(FAMILIES[args.family].job).run(job)
