"""What others say of heatmaps, checked on a study: supported, contradicted or undecided, with the numbers.

A claim names a family, a method and models; `check` says what is asked:

- `beat_controls`: most of the models have heatmaps that beat every control. Contradicted where half of them or more do
  worse than a control.
- `lower`: the models score worse than others (the mean of either side, one planned contrast). Contradicted where they
  score better, or where no difference is found and it is surely smaller than the margin.
- `differ`: the models differ. Contradicted where no difference is found and each pair's is surely smaller than the
  margin.
- `outdo`: for most of the models at least one of the named methods scores better than `method`. Contradicted where for
  most of them none does: each surely scores worse, or its difference is surely smaller than the margin.
- `shows_cue`: the heatmaps may miss what the model rests on. Supported where a model surely relies on a planted cue and
  its heatmaps surely do not show it (`stats/cue.py`). Contradicted where they show it for each that relies on it.

A claim that names a `metric` is decided only where the study judges the family by it: being inside the lungs is not
highlighting a tumour. Each claim was made before the data were seen, by somebody else: it is one test at alpha
(`beat_controls` reads the verdicts of its family, `outdo` has Holm's correction over its methods and models,
`shows_cue` reads the verdicts on the cue). Models that do not take part in verdicts are left out, and that is said, but
for `shows_cue`: a model that sees nothing but the cue fails where the cue tells nothing, and it is the one to be asked.
A claim none of whose models or none of whose `methods` is in the study is not listed, nor is one on a cue where none
was planted.
"""

from collections.abc import Callable, Sequence

import pandas as pd

from heatproof.catalogue.metrics import judged_by_truth, needs_lesion
from heatproof.stats import claim_checks
from heatproof.stats.analysis import Compared
from heatproof.stats.architectures import MIN_SEEDS
from heatproof.stats.claim_checks import Asked, undecided
from heatproof.stats.cue import ON_CUE
from heatproof.stats.cue_claim import shows_cue
from heatproof.stats.design import Design
from heatproof.stats.words import joined, plain

CHECKS = {
    "beat_controls": claim_checks.beat_controls,
    "lower": claim_checks.lower,
    "differ": claim_checks.differ,
    "outdo": claim_checks.outdo,
}


def check(
    claims: dict[str, dict],
    compared: dict[tuple[str, str], Compared],
    separated: dict[str, dict[str, bool]],
    models: Sequence[str],
    seeds: int,
    design: Design,
    unit: str,
    why: Callable[[str, str], str | None],
    again: dict[tuple[str, str], Compared] | None = None,
    refused: dict[str, dict[str, str]] | None = None,
    cue: pd.DataFrame | None = None,
) -> list[dict]:
    """Rows of `stats_tables.CLAIMS`, in the order of the configuration.

    Args:
        claims: name -> source, claim, check, family, method, models, than, methods, metric.
        compared: (family, method) -> its primary metric.
        separated: family -> model -> whether the metric tells truth from random there.
        models: all models of the study; `design.models` are those that take part.
        unit: what a group is, in the plural.
        why: family and method -> why no verdict can be had of them, if so.
        again: as `compared`, with missing scores counted as the worst.
        refused: method -> model -> why it has no maps of it.
        cue: rows of `stats_tables.CUE`; None where no cue was planted.
    """
    rows = []
    for name, claim in claims.items():
        if claim is None or not _concerns(claim, models, design, cue):
            continue
        metric = claim.get("metric") or design.primary.get(claim["family"], "")
        if claim["check"] == "shows_cue":
            metric = claim.get("metric") or ON_CUE
            named = [model for model in claim["models"] or models if model in models]
            found = shows_cue(cue, named, claim["method"], metric, unit)
        else:
            given = (separated, models, design, unit, why, refused or {})
            found = _checked(claim, compared, *given)
            lacking = {(claim["family"], method) for method in [claim["method"], *claim.get("methods", [])]} & set(
                again or {}
            )
            if lacking and "effect" in found:
                would = _checked(claim, compared | again, *given)["verdict"]
                same = "the same" if would == found["verdict"] else would
                found["evidence"] += f"; {same} if missing scores count as the worst"
        empty = {"effect": None, "low": None, "high": None, "p": None, "groups": None}
        kept = {key: claim[key] for key in ("source", "claim", "family", "method")}
        rows.append({"name": name, "metric": metric, **kept, "seeds": seeds, **empty, **found})
    return rows


def _concerns(claim: dict, models: Sequence[str], design: Design, cue: pd.DataFrame | None) -> bool:
    """Whether a claim is on anything that the study has."""
    if claim["models"] and not set(claim["models"]) & set(models):
        return False
    if claim["check"] == "outdo":
        return bool(set(claim["methods"]) & set(design.methods))
    return claim["check"] != "shows_cue" or cue is not None


def _checked(claim, compared, separated, models, design, unit, why, refused) -> dict:
    one = compared.get((claim["family"], claim["method"]))
    asked = claim["models"] or list(models)
    named = [model for model in asked if model in models]
    if reason := _judged_otherwise(claim, design):
        return reason
    sees, metric = separated.get(claim["family"], {}), design.primary.get(claim["family"], "")
    blind = [model for model in [*named, *claim["than"]] if sees.get(model) is False]
    unvalidated = f"{plain(metric)} does not tell the truth from a random map on the images of {joined(blind)}"
    if blind and judged_by_truth(claim["family"], metric):
        return undecided(unvalidated, "a metric that does, or more images")
    if not design.models:
        return undecided("no model of the study takes part in verdicts", "models that are trained well enough")
    if one is None:
        return undecided(f"the study has no {claim['family']} scores of {claim['method']}", "score them")
    usable = [model for model in named if model in one.wide.columns]
    others = [model for model in claim["than"] if model in one.wide.columns]
    if not usable or (claim["than"] and not others):
        gone = named if not usable else [m for m in claim["than"] if m in models]
        if not gone:
            return undecided(f"the study lacks {joined(claim['than'])}", "a study of these models")
        if reason := why(claim["family"], claim["method"]):
            return undecided(reason[:1].lower() + reason[1:].rstrip("."), "the scores that are missing")
        weak = [model for model in gone if model not in design.models]
        if weak:
            return undecided(
                f"of {joined(weak)} not every training is competent", "models that are trained well enough"
            )
        return undecided(f"{joined(gone)} has no scores", "scores of it")
    beside = {method: of for (family, method), of in compared.items() if family == claim["family"]}
    found = CHECKS[claim["check"]](
        Asked(one, usable, others, design, unit, claim.get("methods") or [], beside, refused)
    )
    left = [model for model in named + [m for m in claim["than"] if m in models] if model not in one.wide.columns]
    if left:
        found["evidence"] += f"; without {joined(left)}, which cannot be judged"
    if absent := [model for model in [*asked, *claim["than"]] if model not in models]:
        found["evidence"] += f"; without {joined(absent)}, which the study lacks"
    if blind:
        found["evidence"] += f"; {unvalidated}"
    if one.cells is None:
        found["change"] += f"; from fewer than {MIN_SEEDS} seeds this is said of these checkpoints"
    return found


def _judged_otherwise(claim: dict, design: Design) -> dict | None:
    """A claim on another metric than the one that the study judges its family by."""
    family, metric = claim["family"], claim.get("metric")
    primary = design.primary.get(family)
    if metric is None or primary in (metric, None):
        return None
    truth = family == "localization" and needs_lesion(metric)
    return undecided(
        f"the claim is on {plain(metric)}, and this study judges {family} by {plain(primary)}",
        f"a study judged by {plain(metric)}" + (", on images whose true regions are marked" if truth else ""),
    )
