"""The operations of a study's models, counted by the passes that `heatproof plan` counts."""

import pandas as pd
import pytest

from heatproof import artifacts, plan
from heatproof.config import load
from heatproof.findings import collect
from heatproof.workflow.files import trainings as trainings_of


def test_operations_by_hand(monkeypatch):
    splits = ["train"] * 6 + ["val"] * 2 + ["test"] * 4
    table = pd.DataFrame({"split": splits, "group": [f"p{place // 2}" for place in range(12)]})
    monkeypatch.setattr(artifacts, "read_manifest", lambda name: table)
    study = load(overrides={"explain": {"images_per_group": 1}}, studies=["tiny"])["tiny"]
    row, _ = collect._work("tiny", study, "tiny", [])
    flop, trainings = row["forward_flop"], len(trainings_of(study))
    assert flop > 0 and row["trainings"] == trainings
    assert row["training_flop"] == 2 * (3 * flop * 6 + flop * 2), "two epochs of six images, validated on two"
    explained = 2  # of four test images of two patients; the network of shuffled labels has variants alone
    passes, maps = plan.faithfulness_passes(study, 12, explained), plan.explained_maps(study, 12, explained)
    seeds = len(study.seeds)
    assert row["heatmap_flop"] == pytest.approx(seeds * (flop * passes + 3 * flop * collect.METHOD_PASSES * maps))
