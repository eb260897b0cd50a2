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
        print(
            "\n".join(
                f"  {sentence}"
                for sentence in [*_alarms(name), summary["in_short"], *summary["headline"], *_fall(summary)]
            )
        )
        print(f"  Report: {artifacts.report_path(name)}")


def _alarms(name: str) -> list[str]:
    """What the audit found that no accuracy survives; where the data are not here, nothing."""
    path = artifacts.data_dir(name) / "audit.json"
    found = artifacts.read_json(path)["sentences"] if path.exists() else []
    return [sentence["text"] for sentence in found if sentence["level"] == "alarm"]


def _fall(summary: dict) -> list[str]:
    comparison = summary.get("comparison")
    return [comparison["sentence"]] if comparison else []
