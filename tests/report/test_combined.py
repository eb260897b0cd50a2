"""Both answers of every model in a table, with the control that decides."""

from dataclasses import replace

from heatproof.report.paper import methods
from heatproof.report.sections import overview
from heatproof.stats.results import Combined, Decision
from heatproof.stats.verdicts.rules import NO, UNDECIDED, YES

SAME = Decision(NO, "center", -0.1, -0.14, -0.06, 0.01)
BETTER, OPEN = Decision(YES, "center", 0.2, 0.1, 0.3), Decision(UNDECIDED, "random", 0.03)


def test_the_table_has_both_answers_with_their_numbers_and_what_they_mean_together(data):
    found = Combined("cam", "a", SAME, BETTER), Combined("cam", "b", BETTER, OPEN)
    data = replace(data, results=replace(data.results, combined=found))
    made = overview.make_combined(data)
    assert "smaller than the margin (0.05)" in made.caption and "95% interval" in made.caption
    assert made.rows[0][:3] == ["cam", "a", "no (centre blob: −0.10 [−0.14, −0.06])"]
    assert made.rows[0][3:] == [
        "yes (centre blob: 0.20 [0.10, 0.30])",
        "show what the model uses, which is not the marked lesion",
    ]
    assert made.rows[1][2:] == [made.rows[0][3], "undecided (random noise: 0.03)", "undecided"]
    (text,) = methods._combined(data)
    assert f"the heatmaps of a (cam) {made.rows[0][4]}; undecided for 1 of 2 pairs" in text
    assert "at least 20 patients" in text
    assert overview.make_combined(replace(data, results=replace(data.results, combined=()))) is None
