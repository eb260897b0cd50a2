"""Both answers of every model in a table, with the control that decides."""

from types import SimpleNamespace

from stats.test_combined import NO, UNDECIDED, YES, summary

from heatproof.report.paper import statistics
from heatproof.report.sections import overview


def test_the_table_has_both_answers_with_their_numbers_and_what_they_mean_together():
    found = summary({("a", "cam"): (NO, YES), ("b", "cam"): (YES, UNDECIDED)})
    found |= {"interval": 0.95, "groups": {"kind": "patient"}}
    found["combined"][0]["localization"] |= {"low": -0.14, "high": -0.06}
    made = overview.make_combined(SimpleNamespace(summary=found))
    assert "smaller than the margin (0.05)" in made.caption and "95% interval" in made.caption
    assert made.rows[0][:3] == ["cam", "a", "no (centre blob: −0.10 [−0.14, −0.06])"]
    assert made.rows[0][3].startswith("yes (") and made.rows[0][4].endswith("and that is not the marked lesion")
    assert made.rows[1][2].startswith("yes (") and made.rows[1][3].startswith("undecided (")
    assert made.rows[1][4] == "undecided"
    assert overview.make_combined(SimpleNamespace(summary={})) is None  # results of before
    (text,) = statistics._combined(SimpleNamespace(summary=found))
    assert (
        "the heatmaps of a by cam show what the model uses, and that is not the marked lesion; undecided for 1" in text
    )
    assert "from 20 patients on" in text
