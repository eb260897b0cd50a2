"""What the studies took, and what the full one would."""

import math
from pathlib import Path

import pandas as pd
import pytest
from findings import made

from heatproof.findings import collect, cost
from heatproof.findings.pages import _hours
from heatproof.report.durations import Job


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


def test_stages_sum_their_jobs_and_keep_the_most_memory():
    place = ("resnet50", "0", "fold0")
    jobs = [Job("train", place, 10.0, 900.0), Job("train", place, 30.0, 1200.0), Job("data", (), 2.0, math.nan)]
    data, train = collect._stages({"made": jobs})
    assert train == {"study": "made", "stage": "train", "jobs": 2, "seconds": 40.0, "longest": 30.0, "memory": 1200.0}
    assert (data["jobs"], data["seconds"]) == (1, 2.0) and math.isnan(data["memory"])


def test_tables_come_back_as_they_were_written(tmp_path):
    (tmp_path / "docs/findings").mkdir(parents=True)
    made.costs(tmp_path)
    assert list(cost.read("cost", tmp_path)) == list(cost.COST)
    work = cost.read("work", tmp_path)
    assert work["training_seconds"].isna().sum() == len(made.MODELS)  # of the full study, which was not measured
    assert cost.read("cost", tmp_path / "elsewhere").empty


@pytest.mark.parametrize(("hours", "said"), [(0.1, "6 min"), (0.999, "60 min"), (1.234, "1.2 h"), (328.0, "330 h")])
def test_an_estimate_has_two_digits(hours, said):
    assert _hours(hours) == said


@pytest.mark.slow
def test_operations_are_those_that_the_papers_count():
    """ResNet-50 takes 4.1 billion multiply-adds at 224 pixels (He et al. 2016: 3.8, for its first form)."""
    assert collect.forward_flop("resnet50", 1000, 224) == pytest.approx(2 * 4.1e9, rel=0.02)
    assert (
        collect.forward_flop("vit_base_patch16_224", 3, 64) < collect.forward_flop("vit_base_patch16_224", 3, 224) / 9
    )


def test_no_path_of_the_tables_is_elsewhere():
    assert {path.parent for path, _ in cost.PATHS.values()} == {Path("docs/findings")}
