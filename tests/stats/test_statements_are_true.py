"""Every statement of the statistics, and what the report's tables show of the same, over studies drawn at random.

A statement is compared with what the rule of its kind works out from the predictions and scores. A kind without a rule
fails as well.
"""

from collections import Counter

import numpy as np
import pytest
from stats import rules_of_relations, rules_of_studies, rules_of_verdicts
from stats.checking import Rules, number_of
from stats.generated import CUE_SIGNS, REFUSED, Study, draw
from stats.rules_of_relations import Of, Planted, check_claim
from stats.rules_of_studies import BOTH, Both, against_best, ensemble_compared, expected_evidence, f1
from stats.rules_of_verdicts import told_of

from heatproof.catalogue import families as controls
from heatproof.report import tables
from heatproof.report import words as report_words
from heatproof.report.paper import methods
from heatproof.report.sections import overview, relations, statements, trust
from heatproof.stats.claims.cue import shows_cue
from heatproof.text.numbers import counted, span
from heatproof.text.verdicts import MEANINGS
from heatproof.text.words import called as usual

rule = Rules(rules_of_verdicts.rule | rules_of_studies.rule | rules_of_relations.rule)
FAST = 18  # many kinds in little time
SEEDS = [pytest.param(number, marks=[pytest.mark.slow] * (number != FAST)) for number in range(24)]
MANY = [pytest.param(number, marks=[pytest.mark.slow] * (number > 0)) for number in range(12)]


def check_all(study: Study) -> None:
    for one in study.statements:
        rule.check(study, one)
        place = next(iter(one.evidence), "")
        assert place == expected_evidence(one) or (one.kind, place) == ("controls.unvalidated", "combined"), one


def check_whole(study: Study) -> None:
    """Nothing is left out: who has a verdict, what was tested, and who is decided."""
    found = Counter(one.kind for one in study.statements)
    for method in study.methods:
        refused = set(study.competent) <= set(study.results.refused.get(method, {})) and study.competent
        for family in study.given.primary:
            told, about = told_of(study, family, method), study.results.about(family=family, method=method)
            named = [m for one in about if one.kind in WITH_VERDICT for m in one.subjects.get("models", ())]
            judged = [m for m in study.competent if told.word(m)]
            assert sorted(named) == sorted(judged if told.seen() else []), (family, method)
            assert len([one for one in about if one.area == "pairs"]) == bool(told.seen() and not refused)
            check_related(Of(study, family, method), [one for one in about if one.area == "relations"])
            assert len([one for one in about if one.area == "accuracy"]) == 1
    lead, both = study.results.lead, Both.of(study)
    assert found["combined.decided"] == len(both.decided(lead) if study.competent else [])
    assert found["combined.open"] == bool(study.competent and set(both.scored(lead)) - set(both.decided(lead)))
    assert found["ensemble.accuracy"] == found["ensemble.heatmaps"] == len(study.given.ensembles)
    if study.given.shortcut:
        models = [one.one("models") for one in study.results.about("cue") if one.kind in ABOUT_CUE]
        assert models == study.models


WITH_VERDICT = ("controls.better", "controls.worse", "controls.no_evidence")
ABOUT_CUE = ("cue.relies", "cue.no_evidence", "cue.unknown")


def check_related(told: Of, own: list) -> None:
    """Every covariate that was tested is in one statement, whether a relation was found or not."""
    named = Counter(one.kind for one in own)
    of_class = [name.startswith("class:") for name in told.found()]
    assert named["relations.found"] == of_class.count(False) and named["relations.classes"] == any(of_class)
    assert named["relations.no_evidence"] == bool(told.silent())
    assert named["relations.as_published"] == (told.family == "localization" and bool(told.tested()))
    assert named["relations.unknown"] == (not told.tested())


# the report's tables


def check_cells(study: Study) -> None:
    """Colours and counts of the overview."""
    for family in study.given.primary:
        for method in study.methods:
            of, cell = told_of(study, family, method), overview.cell(study.inputs, family, method)
            better, worse, judged = set(of.having("better")), of.having("worse"), set(of.scored())
            assert (cell.look == "all") == (bool(better) and better == judged)
            assert (cell.look == "worse") == bool(worse)
            assert (cell.look == "some") == (bool(better) and better != judged and not worse)
            means = [of.mean(method, model) for model in judged]
            shown = [number_of(part) for part in cell.means.split(" to ")] if cell.means else []  # digits of the column
            assert bool(shown) == bool(means)
            assert not means or [shown[0], shown[-1]] == pytest.approx([min(means), max(means)], abs=0.006)
            if cell.verdict in ("no score", "not supported"):
                assert not judged and not any(np.isfinite(of.mean(method, m)) for m in study.models)
            elif cell.verdict == "no verdict" and not judged:
                assert any(np.isfinite(of.mean(method, m)) for m in study.models)
            elif cell.verdict == "no verdict":
                assert judged == set(of.blind())
            elif cell.verdict != "too few images":
                assert cell.verdict.startswith(f"{len(better)} of {len(judged)}")
                assert (f", {len(worse)} worse" in cell.verdict) == bool(worse)


def check_left_out(study: Study) -> None:
    """What the report shows of scores that are not there."""
    inputs, own = study.inputs, study.given.scores[study.given.scores["method"].isin(study.methods)]
    own = own[own["model"].isin(study.models)]
    lost = own[own["value"].isna()]
    refused = lost.groupby(["method", "model"])["reason"].transform(lambda of: (of == REFUSED).any()).astype(bool)
    table, sensitivity = tables.missing(inputs), study.tables["sensitivity"]
    shown = {row[0]: int(row[-1].replace(",", "")) for row in table.rows} if table else {}
    if not study.given.ensembles:
        missing = lost[~refused].groupby("reason").size()
        assert shown == {report_words.reason(reason): count for reason, count in missing.items()}
    changed = int(sensitivity["changed"].sum()) if len(sensitivity) else 0
    text = trust.counted(inputs)
    assert (f"changes {changed or 'none'} of" in text) == bool(len(sensitivity))


def check_coverage(study: Study) -> None:
    """How many images were explained, have a mask, and were scored in each family."""
    first, *rest = statements.coverage(study.inputs)
    index = study.scores[study.scores["method"].isin(study.methods) & (study.scores["family"] == "localization")]
    made = index.loc[(index["reason"] != REFUSED) & (index["seed"] == 0), "image_id"].unique()
    images = study.inputs.manifest.set_index("image_id")["truth"]
    assert first == f"Heatmaps exist for {len(made)} of {counted(len(images), 'test image')}."
    masked = images.loc[made] == "mask"
    if not masked.all():
        text = rest.pop(0)
        assert text.startswith(f"{(~masked).sum()} of these ha" if masked.any() else "None of these images has a mask")
    scores = study.scores[study.scores["method"].isin(study.methods) & study.scores["value"].notna()]
    scores = scores[scores["seed"].fillna(0) == 0]
    for family, text in zip(scores["family"].unique(), rest, strict=True):
        of = scores[scores["family"] == family]
        sizes = counted(of["image_id"].nunique(), "image"), counted(of["group"].nunique(), "patient")
        assert text.startswith(f"{family.capitalize()} was scored on {sizes[0]} of {sizes[1]}")


def check_combined(study: Study) -> None:
    """Both answers of every pair of a model and a method, each with the difference to the control in brackets."""
    both, table = Both.of(study), overview.make_combined(study.inputs)
    rows = [(method, model) for method in study.methods for model in both.scored(method)]
    assert sorted(tuple(row[:2]) for row in (table.rows if table else [])) == sorted(rows)
    for method, model, *cells, together in table.rows if table else []:
        answers = both.answers(method, model)
        assert together == ("undecided" if "undecided" in answers else MEANINGS[answers][0])
        for family, answer, cell in zip(BOTH, answers, cells, strict=True):
            leads = both.leads(family, method, model)
            assert cell.partition(" ")[0] == answer and ("(" in cell) == bool(leads)
            if leads:
                name, difference = cell.partition("(")[2].split(": ")
                (control,) = (key for key, shown in controls.CONTROLS.items() if shown.title == name)
                lead = number_of(difference.partition(" [")[0].rstrip(")"))
                assert lead == pytest.approx(leads[control].mean(), abs=0.006)
    text = methods._combined(study.inputs)
    decided = sum(len(both.decided(method)) for method in study.methods)
    assert bool(text) == bool(rows) and (
        not text or (f"undecided for {len(rows) - decided} of" in text[0]) == (decided < len(rows))
    )
    for method in study.methods if text else ():
        assert all(f"{usual(model)} ({usual(method)})" in text[0] for model in both.decided(method))


def check_ensembles(study: Study) -> None:
    """Both values and their difference, of each ensemble and its best member."""
    made, seen = overview.make_ensembles(study.inputs), []
    for name, called, member, own, value, difference, groups in made.table.rows if made else ():
        first = study.results.ensembles[name].against[0]
        if " of " not in called:
            expected = f1(study, name), f1(study, member), first.difference
        else:
            shown = called.split(" of ")[1].split(" (")[0]
            method = next(one for one in study.methods if usual(one) == shown)
            titles = {report_words.metric(m).name: f for f, m in study.given.primary.items()}
            family = titles[called.rpartition(f" of {shown}")[0]]
            assert ("lower" in called) == (study.good(family) < 0)
            best, one, other = against_best(study, name, family, method)
            assert member == best and int(groups) == len(one)
            expected = one.mean(), other.mean(), (one - other).mean()
            seen.append((name, study.given.primary[family], method))
        assert [number_of(text) for text in (own, value, difference)] == pytest.approx(expected, abs=0.006)
    assert sorted(seen) == sorted(
        (name, *key) for name in study.given.ensembles for key in ensemble_compared(study, name)
    )


def check_relations(study: Study) -> None:
    """Range of the rank correlation, and in how many models it rises and falls."""
    for family in study.given.primary:
        table = study.tables["relations"]
        rows_of = table[(table["family"] == family) & table["rho"].notna()]
        column = rows_of.loc[rows_of["method"].isin([*study.methods, relations.NOISE]), "rho"]
        for method in study.methods:
            of = Of(study, family, method)
            rows = {row[1]: row for row in relations._table(study.inputs, rows_of).rows if row[0] == method}
            for name in of.tested():
                _, _, shown, up, down, groups = rows.pop(relations.name(name))
                assert shown == span([rho for rho, _ in of.of(name).values()], beside=column)
                assert (up, down) == (f"{of.counts(name)[0]} of {len(of.of(name))}", str(of.counts(name)[1]))
                counts = [of.rows[model, name][0] for model in of.of(name)]
                assert groups.split(" to ")[:: len(groups.split(" to "))] and int(groups.split(" to ")[0]) == min(
                    counts
                )
            assert not rows


def check_cue(study: Study) -> None:
    """A verdict and a difference in each cell, accuracies of each seed, and the claim that heatmaps may miss it."""
    planted, inputs = Planted.of(study), study.inputs
    means = planted.table[planted.table["seed"].isna()]
    for model in study.models:
        table = relations.table(inputs, means[means["model"] == model], model)
        assert table or not any(key[0] == model for key in planted.verdicts)
        names = {report_words.metric(m).name: m for m in CUE_SIGNS}
        for shown, *cells in table.rows if table else ():
            method = next((name for name, control in controls.CONTROLS.items() if control.title == shown), shown)
            for metric, cell in zip(table.head[1:], cells, strict=True):
                key = (model, method, names[metric])
                assert (cell == "–") == (key not in planted.verdicts)
                if cell != "–":
                    word, _, difference = cell.partition(": ")
                    assert word == planted.verdicts[key]
                    expected = planted.differences(key)
                    assert number_of(difference) == pytest.approx(expected.mean(), abs=0.006)
    for model, seed, *sides, _, word in relations.reliance(inputs, planted.table).rows:
        one = None if seed == "mean" else int(seed)
        for text, side in zip(sides, (True, False), strict=True):
            value = planted.accuracy(model, side, one)
            assert text == "–" if np.isnan(value) else number_of(text) == pytest.approx(value, abs=0.006)
        assert one is not None or (word == "relies") == (planted.relies(model) is True)
    for metric in CUE_SIGNS:
        for method in study.methods:
            row = shows_cue(planted.table, study.models, method, metric, "patients")
            check_claim(study, row, method, metric)


@pytest.mark.parametrize("number", SEEDS)
def test_every_statement_is_true(number):
    study = draw(number)
    check_all(study)
    check_whole(study)
    check_left_out(study)
    if not rules_of_relations.Related.of(study).several:
        check_coverage(study)
    for check in (check_cells, check_combined, check_ensembles, check_relations):
        check(study)
    if study.given.shortcut:
        check_cue(study)


@pytest.mark.parametrize("number", MANY)
def test_every_statement_on_many_models_is_true(number):
    check_all(draw(number, many=True))


@pytest.mark.slow
def test_the_rules_notice_another_name_and_another_number():
    study, tried = draw(FAST), 0
    for one in study.statements:
        tried += rule.check_spoiled(study, one, study.models, study.statements)
    assert tried > 100
