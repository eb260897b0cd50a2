"""Names of metrics in tables of other tools."""

import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from heatproof.catalogue.metrics import METRICS
from heatproof.core.messages import bare
from heatproof.stats.tables.score_table import AMBIGUOUS, DIRECTIONS, SAME, SHARED, find_metric


@pytest.mark.parametrize("name", METRICS)
def test_heatproofs_names_are_known_however_they_are_written(name):
    better = METRICS[name].better
    ways = [name] if name == "road" else [name, name.upper(), f" {name.replace('_', '-').title()} "]
    found = [find_metric(way) for way in ways]
    assert {metric.better for metric in found} == {better} and found[0].name == name
    assert [metric.name for metric in found[1:]] == (ways[1:] if name in SHARED else [name] * len(ways[1:]))


@pytest.mark.parametrize(
    ("written", "name", "better"),
    [
        ("Deletion AUC (blur)", "deletion_auc_blur", "lower"),
        ("Deletion ↓", "deletion_auc", "lower"),
        ("sensitivity_max", "max_sensitivity", "lower"),
        ("ROADMostRelevantFirstAverage", "road_morf", "lower"),
        ("ROADCombined", "road", "higher"),
        ("RRA", "relevance_rank_accuracy", "higher"),
        ("Average Drop %", "Average Drop %", "lower"),  # a hundred times heatproof's
        ("ROADMostRelevantFirst", "ROADMostRelevantFirst", "lower"),  # at one percentile, not the mean over them
        ("ROAD", "ROAD", ""),
        ("ROAD ↑", "ROAD ↑", "higher"),
        ("IoU loss", "IoU loss", ""),  # no variant of IoU
        ("Foo ↓", "Foo ↓", "lower"),
        ("Foo ↑↓", "Foo ↑↓", ""),
        ("Foo", "Foo", ""),
    ],
)
def test_other_names(written, name, better):
    assert find_metric(written)[:2] == (name, better)


def test_a_name_stands_for_one_thing():
    lists = [METRICS.keys() - {"road"}, *SAME.values(), *DIRECTIONS.values(), AMBIGUOUS]
    names = [bare(name) for names in lists for name in names]
    assert len(set(names)) == len(names) and set(SAME) <= set(METRICS)


def test_directions_are_those_of_quantus():
    """But where it says the opposite of its formula, or others use the name for something else."""
    folder, found = Path(find_spec("quantus").submodule_search_locations[0], "metrics"), {}
    for path in folder.glob("*/*.py"):
        for block in re.split(r"^class ", path.read_text(encoding="utf-8"), flags=re.M)[1:]:
            if stated := re.search(r"^    score_direction = ScoreDirection\.(\w+)", block, re.M):
                names = re.match(r"\w+", block)[0], re.search(r'^    name = "(.*)"', block, re.M)[1]
                found |= dict.fromkeys(names, stated[1].lower())
    differ = {name: find_metric(name) for name, better in found.items() if find_metric(name).better != better}
    assert len(found) > 60 and {name for name, metric in differ.items() if metric.better == "none"} == {
        "Complexity", "Effective Complexity", "EffectiveComplexity", "Sparseness",
    }  # fmt: skip
    assert {bare(name) for name, metric in differ.items() if metric.better != "none"} == {
        "auc", "completeness", "consistency", "continuity", "regionperturbation", "road", "sufficiency",
    }  # fmt: skip
    assert all(metric.meanings for metric in differ.values() if metric.better != "none")
