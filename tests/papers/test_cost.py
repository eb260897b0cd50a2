"""What the studies took, and what the full one would."""

import math

import pandas as pd
import pytest

from heatproof.commands import plan
from heatproof.config.load import load
from heatproof.report.paper.provenance import Job
from heatproof.store import artifacts
from heatproof.workflow.files import trainings as trainings_of
from papers import cost


def test_an_estimate_by_hand():
    """Three trainings of a hundred times the operations; heatmaps of ten times."""
    shared = {"model": "a", "images": 10, "forward_flop": 1.0}
    small = {"study": "small", "size": 8, "epochs": 1, "trainings": 2, "training_flop": 1e12, "heatmap_flop": 5e12}
    small |= {"training_seconds": 36.0, "heatmap_seconds": 72.0}
    full = {"study": "full", "size": 80, "epochs": 9, "trainings": 3, "training_flop": 1e14, "heatmap_flop": 5e13}
    work = pd.DataFrame([shared | small, shared | full, shared | full | {"model": "b"}])
    (found,) = cost.estimate(work, "small", "full", tflops=2.0)
    assert (found.model, found.trainings, found.epochs) == ("a", 3, 9)
    assert found.core_hours == pytest.approx((36 * 300 + 72 * 10) / 3600)
    assert found.petaflop == pytest.approx(0.35) and found.gpu_hours == pytest.approx(3.5e14 / 2e12 / 3600)


def test_tables_come_back_as_they_were_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "docs/findings").mkdir(parents=True)
    assert cost.read("cost").empty
    place = ("resnet50", "0", "fold0")
    jobs = [Job("train", place, 10.0, 900.0), Job("train", place, 30.0, 1200.0), Job("data", (), 2.0, math.nan)]
    cost.write("cost", cost.stages({"made": jobs}))
    data, train = cost.read("cost").to_dict("records")
    assert train == {"study": "made", "stage": "train", "jobs": 2, "seconds": 40.0, "longest": 30.0, "memory": 1200.0}
    assert (data["jobs"], data["seconds"]) == (1, 2.0) and math.isnan(data["memory"])


def test_operations_by_hand(monkeypatch):
    """Counted by the passes that `heatproof plan` counts."""
    splits = ["train"] * 6 + ["val"] * 2 + ["test"] * 4
    table = pd.DataFrame({"split": splits, "group": [f"p{place // 2}" for place in range(12)]})
    monkeypatch.setattr(artifacts, "read_manifest", lambda name: table)
    study = load(overrides={"explain": {"images_per_group": 1}}, studies=["tiny"])["tiny"]
    row, _ = cost.work("tiny", study, "tiny", [])
    flop, trainings = row["forward_flop"], len(trainings_of(study))
    assert flop > 0 and row["trainings"] == trainings
    assert row["training_flop"] == 2 * (3 * flop * 6 + flop * 2), "two epochs of six images, validated on two"
    explained = 2  # of four test images of two patients; the network of shuffled labels has variants alone
    passes, maps = plan.faithfulness_passes(study, 12, explained), plan.explained_maps(study, 12, explained)
    seeds = len(study.seeds)
    assert row["heatmap_flop"] == pytest.approx(seeds * (flop * passes + 3 * flop * cost.METHOD_PASSES * maps))


@pytest.mark.slow
def test_operations_are_those_that_the_papers_count():
    """ResNet-50 takes 4.1 billion multiply-adds at 224 pixels (He et al. 2016: 3.8, for its first form)."""
    assert cost.forward_flop("resnet50", 1000, 224) == pytest.approx(2 * 4.1e9, rel=0.02)
    vit = "vit_base_patch16_224"
    assert cost.forward_flop(vit, 3, 64) < cost.forward_flop(vit, 3, 224) / 9
