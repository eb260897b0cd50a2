"""The scorecard: criteria in their order, values of the results, what was not measured; and cards of methods."""

import json
from dataclasses import replace

import pytest
from report.conftest import ALL

from heatproof.report import inputs
from heatproof.report.figures import curves
from heatproof.report.paper import scorecard
from heatproof.report.sections import gallery


def read(study):
    return inputs.read(study.name, study.models, study.seeds, study.methods, study.fold_names)


def test_criteria_stand_in_order_with_the_values_of_the_results(made):
    found = read(made(families=ALL))
    card = scorecard.make(found)
    assert [one.name for one in card.criteria] == ["consistency", "plausibility", "fidelity", "usefulness"]
    (plausible,) = card.criteria[1].evidence
    means = found.results.families["localization"].means["gradcam"]
    assert plausible.means == pytest.approx({model: means[model] for model in found.competent})
    assert plausible.verdicts == found.results.outcome("localization", "gradcam").verdicts
    assert card.criteria[3].evidence == () and card.overview.rows[-1][2] == scorecard.NOT_MEASURED


def test_json_and_markdown_say_what_was_not_measured_and_claim_no_compliance(made):
    card = scorecard.make(read(made()))
    stored = json.loads(json.dumps(card.stored(), allow_nan=False))
    assert [one["measured"] for one in stored["criteria"]] == [True, True, True, False]
    (of,) = card.cards
    assert (of.inputs, of.label, of.model) == (None, None, None) and of.retraining and of.deterministic
    text = card.markdown()
    assert "no statement of compliance" in text and "| usefulness |" in text and "not measured" in text
    assert "&" not in text and "<" not in text
    assert all(line.count("|") == 6 for line in text.splitlines() if line.startswith("| fidelity"))


def test_faithfulness_curves_are_drawn_for_every_model_and_left_out_where_none_was_stored(made):
    found = read(made())
    drawn = curves.make_courses(found, "gradcam", "courses")
    assert all(f'id="courses-{way}-{model}"' in drawn.svg for way in curves.WAYS for model in found.models)
    assert curves.make_courses(replace(found, curves=None), "gradcam", "courses") is None


def test_one_image_is_shown_from_every_training(made):
    found = read(made())
    shown = gallery.retrained(found)
    assert shown.image_id == gallery.examples(found)[0].image_id
    assert {model: len(cells) for model, cells in shown.models.items()} == dict.fromkeys(found.models, 2)
    first, second = shown.models["alpha_net"]
    assert first.source != second.source and (first.title, second.title) == ("seed 0", "seed 1")
    assert gallery.retrained(read(made(seeds=(0,)))) is None
