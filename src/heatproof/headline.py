"""`heatproof headline`: what finished studies found, and where their reports are."""

import argparse

from heatproof import artifacts
from heatproof.config import load


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("studies", nargs="*", help="names of studies; without any, those of params.yaml")


def run(args: argparse.Namespace) -> None:
    for name in load(studies=args.studies):
        summary = artifacts.read_json(artifacts.stats_dir(name) / "summary.json")
        print(f"\n{name}")
        print("\n".join(f"  {sentence}" for sentence in summary["headline"]))
        print(f"  Report: {artifacts.report_path(name)}")
