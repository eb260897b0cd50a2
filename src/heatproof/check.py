"""`heatproof check`: read and check the configuration, and say what would run."""

import argparse

from heatproof.config import load


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("studies", nargs="*", help="names of studies; without any, those of params.yaml")


def run(args: argparse.Namespace) -> None:
    for name, study in load(studies=args.studies).items():
        print(
            f"{name}: {len(study.models)} models x {len(study.seeds)} seeds, {len(study.explain.methods)} methods, "
            f"{', '.join(study.score.families)}; images of {study.data.size} px from {study.data.source or 'a phantom'}"
        )
