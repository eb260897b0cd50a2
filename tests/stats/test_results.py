"""Results as values: what is stored is what is read, and each kind of statement has its template."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from stats.conftest import judged

from heatproof.stats.results import StudyResults
from heatproof.stats.study import statements_of
from heatproof.store import artifacts, tables
from heatproof.store.sealing import ArtifactError
from heatproof.text.sentences import sentence

STORED = Path(__file__).parents[2] / "results/stats"


@pytest.fixture
def results(write_study):
    return judged(write_study({"weak": 0.3, "strong": 0.7}, random={"weak": 0.9, "strong": 1.0}))[0]


def test_what_is_stored_is_what_is_read(results):
    assert StudyResults.of(json.loads(json.dumps(results.stored(), allow_nan=False))) == results
    assert list(results.models) == ["weak", "strong"]


def test_statements_are_values(results):
    (pair,) = results.about("pairs", family="localization", method="gradcam")
    assert pair.kind == "pairs.apart" and (pair.one("over"), pair.one("under")) == ("strong", "weak")
    assert pair.numbers["difference"] == pytest.approx(0.4, abs=0.05) and pair.numbers["apart"] == 1
    (better,) = (one for one in results.about("controls", family="localization") if one.kind == "controls.better")
    assert better.subjects["models"] == ("weak", "strong") and better.evidence == ("localization-gradcam",)


def test_every_statement_has_a_sentence_and_a_doubtful_metric_its_mark(results):
    assert all(sentence(one) for one in [results.in_short, *results.answer, *results.statements])
    (pair,) = (one for one in results.answer if one.kind == "pairs.apart")
    assert "relevance rank accuracy†" in sentence(pair, ["relevance_rank_accuracy"])
    assert "†" not in sentence(pair)


@pytest.mark.parametrize("study", sorted(path.name for path in STORED.iterdir()))
def test_stored_statements_are_what_stored_results_and_tables_state(study):
    """After an edit of `stats/statements`, run Snakemake's jobs `stats` again."""
    stored = StudyResults.of(artifacts.read_json(STORED / study / "summary.json"))
    of = {
        name: artifacts.read_table(STORED / study / f"{name}.csv", tables.TABLES[name]) for name in ("cue", "relations")
    }
    assert replace(stored, **statements_of(stored, of)) == stored


def test_results_of_another_version_are_refused_by_key(results):
    stored = results.stored()
    del stored["families"]["localization"]["metric"]
    with pytest.raises(ArtifactError, match=r"families\.localization\.metric: field required; it is of"):
        StudyResults.of(stored)
