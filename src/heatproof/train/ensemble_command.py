"""`heatproof job ensemble`: the card and the predictions of an ensemble, of those of its members."""

import argparse

import numpy as np

from heatproof.store import artifacts
from heatproof.train.checkpoint import classified, labelled
from heatproof.train.model import VOTE, combined


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `run`."""
    artifacts.Checkpoint.add_arguments(parser)
    parser.add_argument("--combine", required=True, choices=["vote", "mean"])
    parser.add_argument("--members", required=True, nargs="+", help="models of the same seed and fold")


def run(args: argparse.Namespace) -> None:
    """Write what an ensemble answers; the thresholds of a mean are chosen on validation, a vote's is the majority.

    Raises:
        ArtifactError: a member's card or predictions are missing, damaged, or of other images than the first one's.
    """
    ensemble = artifacts.Checkpoint.of(args)
    members = [ensemble.at(model=member) for member in args.members]
    cards = [artifacts.read_json(member.card) for member in members]
    tables = [artifacts.read_table(member.predictions, artifacts.PREDICTIONS) for member in members]
    for member, table in zip(members, tables, strict=True):
        if not table["image_id"].equals(tables[0]["image_id"]):
            raise artifacts.ArtifactError(
                f"{member.folder}: other images than {members[0].folder} has; delete it and run again"
            )
    first = cards[0]
    several = "thresholds" in first
    probabilities = np.stack([table[[f"p_{k}" for k in range(len(first["classes"]))]].to_numpy() for table in tables])
    limits = np.array([card["thresholds"] for card in cards]) if several else None
    answer = combined(probabilities, limits, args.combine)
    if several:  # more than half of the votes; shares of votes are multiples of 1 / members
        majority = np.full(answer.shape[1], np.nextafter(0.5, 1)) if args.combine == VOTE else None
        table, thresholds = labelled(tables[0], answer, majority)
    else:
        table, thresholds = classified(tables[0], answer), None
    artifacts.write_table(ensemble.predictions, table, artifacts.PREDICTIONS)
    artifacts.write_json(
        ensemble.card,
        {
            "combine": args.combine,
            "members": dict(zip(args.members, (card["sha256"] for card in cards), strict=True)),
            "classes": first["classes"],
            "size": first["size"],
            "parameters": sum(card["parameters"] for card in cards),
            **({"task": first["task"], "thresholds": thresholds} if several else {}),
        },
    )
