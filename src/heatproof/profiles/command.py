"""`heatproof profiles`: activation profiles of one checkpoint, or, of all of a study, their tables and page."""

import argparse
import importlib
import json

from heatproof.core.messages import InputError

# a job takes one of them (`workflow.code`)
BRANCHES = {"checkpoint": "heatproof.profiles.measure", "study": "heatproof.profiles.study"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--study", required=True)
    parser.add_argument("--config", required=True, type=json.loads, help="section profiles, as JSON")
    one = parser.add_argument_group("one checkpoint")
    one.add_argument("--model")
    one.add_argument("--seed", type=int)
    one.add_argument("--fold", help="which split: a column of the manifest")
    one.add_argument("--compute", type=json.loads, help="section compute, as JSON")
    every = parser.add_argument_group("a study: its tables and its page")
    every.add_argument("--models", nargs="+", help="timm names, in the order of the page")
    every.add_argument("--seeds", nargs="+", type=int)
    every.add_argument("--folds", nargs="+", help="fold0 first")
    every.add_argument("--interval", type=float, default=0.95, help="coverage of the intervals (default: 0.95)")
    every.add_argument("--group-kind", default="patient", help="what a patient of the tables is (default: patient)")
    every.add_argument("--title", help="what the page is titled (default: the study's name)")


def run(args: argparse.Namespace) -> None:
    needed = ("models", "seeds", "folds") if args.models else ("model", "seed", "fold", "compute")
    if lost := [name for name in needed if getattr(args, name) is None]:
        raise InputError(f"give --{lost[0]} as snakemake does, of one checkpoint or of a study")
    importlib.import_module(BRANCHES["study" if args.models else "checkpoint"]).run(args)
