"""Results as values: what is stored is what is read, and each kind of statement has its template."""

import json

import pytest

from heatproof.stats.command import run
from heatproof.stats.results import StudyResults, read
from heatproof.store.sealing import ArtifactError
from heatproof.text.sentences import sentence


@pytest.fixture
def results(write_study):
    run(write_study({"weak": 0.3, "strong": 0.7}, random={"weak": 0.9, "strong": 1.0}))
    return read("toy")


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


def test_results_of_another_version_are_refused_by_key(results):
    stored = results.stored()
    del stored["families"]["localization"]["metric"]
    with pytest.raises(ArtifactError, match=r"families\.localization\.metric: field required; it is of"):
        StudyResults.of(stored)
