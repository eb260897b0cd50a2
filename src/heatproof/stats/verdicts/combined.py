"""What a model's heatmaps show: localization and faithfulness together, decided where both are.

Each of the two is `yes` (significantly better than every control), `no` (any lead over the strongest control is shown
to be smaller than the margin) or `undecided`. Not significant is never `no`.

The decisions of one method are a family of tests at alpha. Each question has half of it, and of that half a false
`yes` may take one part and a false `no` the other: `yes` is the verdict against controls, whose two-sided p is false on
one side only, and `p_no` is doubled likewise. A single model cannot be both, so that either answer may take the whole
half. All that can be false adds up to alpha at most (Bonferroni between questions, Holm over models).
"""

from heatproof.catalogue.controls import own_name
from heatproof.catalogue.metrics import needs_lesion
from heatproof.stats.results import Combined, Decision, StudyResults
from heatproof.stats.verdicts import rules

LOCALIZATION, FAITHFULNESS = QUESTIONS = ("localization", "faithfulness")


def combined(results: StudyResults) -> tuple[Combined, ...]:
    """Return both decisions of every method and model that has scores of both, the lead method first.

    None where localization is not judged by the true region.
    """
    families = results.families
    if not set(QUESTIONS) <= set(families) or not needs_lesion(families[LOCALIZATION].metric):
        return ()
    found = []
    for method in sorted(results.methods, key=lambda name: name != results.lead):
        scored = [results.values(family, method) for family in QUESTIONS]
        for model in (name for name in results.judged if all(name in of for of in scored)):
            found.append(Combined(method, model, *(decide(results, family, method, model) for family in QUESTIONS)))
    return tuple(found)


def decide(results: StudyResults, family: str, method: str, model: str) -> Decision:
    """Answer one question for one model."""
    outcome = results.outcome(family, method)
    rows = {name: of[model] for name, of in outcome.controls.items() if model in of} if outcome else {}
    if not rows:
        return Decision(rules.UNDECIDED)
    of = results.families[family]
    strongest = min(rows, key=lambda name: of.sign * rows[name].difference)
    below = min(rows, key=lambda name: rows[name].p_below)
    has_room = family != LOCALIZATION or _has_room(results, method, model, below)
    level = outcome.shares.controls
    verdict = rules.decides(outcome.verdicts.get(model), rows[strongest].p_no, level, has_room)
    # the model's p that any lead is small is that of the control below which it is clearest
    control = below if verdict != rules.YES and rules.rejects(rows[strongest].p_no, level) else strongest
    row = rows[control]
    return Decision(verdict, control, row.difference, row.low, row.high, row.p_no)


def _has_room(results: StudyResults, method: str, model: str, control: str) -> bool:
    """Whether a map of the lesion itself, at the model's grid, would lead the control by more than the margin.

    Where all lesions lie in one place, the mean of the training masks is as good as a heatmap can be.
    """
    of = results.families[LOCALIZATION]
    ceiling = of.means.get("ceiling", {}).get(model)
    beside = of.means.get(own_name(control, method), of.means.get(control, {})).get(model)
    return None in (ceiling, beside) or of.sign * (ceiling - beside) > of.margin
