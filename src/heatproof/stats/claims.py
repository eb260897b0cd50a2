"""What others say of heatmaps, checked on a study: supported, contradicted or undecided, with the numbers.

A claim names a family, a method and models; `check` says what is asked:

- `beat_controls`: most of the models have heatmaps that beat every control. Contradicted where half of them or more do
  worse than a control.
- `lower`: the models score worse than others (the mean of either side, one planned contrast). Contradicted where they
  score better, or where no difference is found and it is surely smaller than the margin.
- `differ`: the models differ. Contradicted where no difference is found and each pair's is surely smaller than the
  margin.

Each claim was made before the data were seen, by somebody else: it is one test at alpha (`beat_controls` reads the
verdicts of its family). Models that do not take part in verdicts are left out, and that is said; a claim none of whose
models is in the study is not listed.
"""

from collections.abc import Callable, Sequence

import numpy as np

from heatproof.stats import verdicts
from heatproof.stats.analysis import Compared, over_models
from heatproof.stats.architectures import MIN_SEEDS, seed_contrast
from heatproof.stats.design import Design
from heatproof.stats.differences import TEST_NAMES
from heatproof.stats.equivalence import equivalent_over_seeds, equivalent_p
from heatproof.stats.paired import paired_t, signed_rank, t_interval
from heatproof.stats.words import control_name, counted, joined, plain, shown, shown_p, units

CHANGE = {
    "supported": "other {unit} or other images in which it does not show",
    "contradicted": "other {unit} or other images in which it shows",
    "undecided": "more {unit}",
}
SUPPORTED, CONTRADICTED, UNDECIDED = "supported", "contradicted", "undecided"


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
) -> list[dict]:
    """Rows of `stats_tables.CLAIMS`, in the order of the configuration.

    Args:
        claims: name -> source, claim, check, family, method, models, than.
        compared: (family, method) -> its primary metric.
        separated: family -> model -> whether the metric tells truth from random there.
        models: all models of the study; `design.models` are those that take part.
        unit: what a group is, in the plural.
        why: family and method -> why no verdict can be had of them, if so.
        again: as `compared`, with missing scores counted as the worst.
    """
    rows = []
    for name, claim in claims.items():
        if claim is None or (claim["models"] and not set(claim["models"]) & set(models)):
            continue
        given = (separated, models, design, unit, why)
        found = _checked(claim, compared, *given)
        if (claim["family"], claim["method"]) in (again or {}) and "effect" in found:
            would = _checked(claim, again, *given)["verdict"]
            same = "the same" if would == found["verdict"] else would
            found["evidence"] += f"; {same} if missing scores count as the worst"
        empty = {"effect": None, "low": None, "high": None, "p": None, "groups": None}
        kept = {key: claim[key] for key in ("source", "claim", "family", "method")}
        metric = design.primary.get(claim["family"], "")
        rows.append({"name": name, "metric": metric, **kept, "seeds": seeds, **empty, **found})
    return rows


def _checked(claim, compared, separated, models, design, unit, why) -> dict:
    one = compared.get((claim["family"], claim["method"]))
    asked = claim["models"] or list(models)
    named = [model for model in asked if model in models]
    sees = separated.get(claim["family"], {})
    if blind := [model for model in [*named, *claim["than"]] if sees.get(model) is False]:
        metric = plain(design.primary[claim["family"]])
        return _undecided(
            f"{metric} does not tell the truth from a random map on the images of {joined(blind)}",
            "a metric that does, or more images",
        )
    if not design.models:
        return _undecided("no model of the study takes part in verdicts", "models that are trained well enough")
    if one is None:
        return _undecided(f"the study has no {claim['family']} scores of {claim['method']}", "score them")
    usable = [model for model in named if model in one.wide.columns]
    others = [model for model in claim["than"] if model in one.wide.columns]
    if not usable or (claim["than"] and not others):
        gone = named if not usable else [m for m in claim["than"] if m in models]
        if not gone:
            return _undecided(f"the study lacks {joined(claim['than'])}", "a study of these models")
        if reason := why(claim["family"], claim["method"]):
            return _undecided(reason[:1].lower() + reason[1:].rstrip("."), "the scores that are missing")
        weak = [model for model in gone if model not in design.models]
        if weak:
            return _undecided(
                f"of {joined(weak)} not every training is competent", "models that are trained well enough"
            )
        return _undecided(f"{joined(gone)} has no scores", "scores of it")
    found = {"beat_controls": _beat, "lower": _lower, "differ": _differ}[claim["check"]](
        one, usable, others, design, unit
    )
    left = [model for model in named + [m for m in claim["than"] if m in models] if model not in one.wide.columns]
    if left:
        found["evidence"] += f"; without {joined(left)}, which cannot be judged"
    if absent := [model for model in [*asked, *claim["than"]] if model not in models]:
        found["evidence"] += f"; without {joined(absent)}, which the study lacks"
    if one.cells is None:
        found["change"] += f"; from fewer than {MIN_SEEDS} seeds this is said of these checkpoints"
    return found


def _undecided(evidence: str, change: str) -> dict:
    return {"verdict": UNDECIDED, "evidence": evidence, "change": change}


def _beat(one: Compared, models, others, design: Design, unit: str) -> dict:
    """The model that decides is the one at the place where `most` begins, in order of its smallest lead."""
    words = verdicts.by_model(one.controls)
    found = {model: words[model] for model in models if model in words}
    if not found:
        return _undecided("there is no control to hold them against", "controls")
    sign = -1 if (one.family, one.metric) in design.lower else 1
    rows = one.controls[one.controls["model"].isin(found)].assign(lead=lambda t: sign * t["difference"])
    nearest = rows.loc[rows.groupby("model")["lead"].idxmin()].sort_values("lead", ascending=False)
    decides = nearest.iloc[len(found) // 2]
    better = [model for model, word in found.items() if word == "better"]
    worse = [model for model, word in found.items() if word == "worse"]
    verdict = (
        SUPPORTED
        if verdicts.most(list(found.values()), "better")
        else CONTRADICTED
        if 2 * len(worse) >= len(found)
        else UNDECIDED
    )
    evidence = f"{len(better)} of {counted(len(found), 'model')} beat every control"
    evidence += f", {len(worse)} {'does' if len(worse) == 1 else 'do'} worse than one" if worse else ""
    way = "ahead of" if decides["lead"] > 0 else "behind"
    ahead = f"{shown(abs(decides['lead']))} {way} {control_name(decides['control'], one.family)}"
    evidence += f"; the model that decides is {decides['model']}, {ahead}"
    half = len(found) // 2
    apart = {SUPPORTED: len(better) - half, CONTRADICTED: len(worse) + half + 1 - len(found)}
    change = f"another verdict on {counted(apart.get(verdict, half + 1 - len(better)), 'model')}"
    ends = sorted((sign * decides["low"], sign * decides["high"]))
    numbers = {"effect": decides["lead"], "low": ends[0], "high": ends[1], "p": decides["p_corrected"]}
    return {"verdict": verdict, **numbers, "groups": int(decides["groups"]), "evidence": evidence, "change": change}


def _lower(one: Compared, models, others, design: Design, unit: str) -> dict:
    """One planned contrast: the mean of `others` less that of `models`, so that above zero these score worse."""
    settings, margin = design.settings, design.margin(one.metric)
    sign = -1 if (one.family, one.metric) in design.lower else 1
    asked = one.wide[[model for model in one.wide.columns if model in (*models, *others)]]
    complete = asked.dropna()
    weights = np.array([(m in others) / len(others) - (m in models) / len(models) for m in complete.columns])
    differences = sign * (complete.to_numpy() @ weights)
    if len(differences) < 2:
        return _undecided(f"fewer than two {unit} have a value for every model", f"more {unit}")
    mean, column = differences.mean(), differences[:, None]
    low, high = (float(end[0]) for end in t_interval(column, settings["interval"]))
    small = equivalent_p(column, margin)[0] <= settings["alpha"]
    if one.cells is not None:
        places = [one.wide.columns.get_loc(model) for model in asked.columns]
        found = seed_contrast(one.cells[:, places], sign * weights, settings["interval"])
        mean, low, high, p = (found[key] for key in ("difference", "low", "high", "p"))
        small = equivalent_over_seeds(found, margin, settings["interval"]) <= settings["alpha"]
    elif settings["test"] == "friedman":
        p, effect = signed_rank(differences)
        p = p if effect * mean > 0 else 1.0  # ranks that point the other way than the mean find nothing
    else:
        p = float(paired_t(column)[0])
    verdict = UNDECIDED
    if p <= settings["alpha"]:
        verdict = SUPPORTED if mean > 0 else CONTRADICTED
    elif small:
        verdict = CONTRADICTED
    way = "lower" if sign * mean > 0 else "higher"
    evidence = (
        f"{plain(one.metric)} of {joined(models)} is {shown(abs(mean))} {way} than that of {joined(others)} "
        f"({shown_p(p)}, {units(len(differences), unit)}"
        f"{f' of {len(asked)}, those with a value of every one' if len(asked) > len(differences) else ''})"
    )
    if verdict == CONTRADICTED and p > settings["alpha"]:
        evidence += f", and the difference is smaller than the margin of {margin:g}"
    change = CHANGE[verdict].format(unit=unit)
    numbers = {"effect": mean, "low": low, "high": high, "p": p}
    return {"verdict": verdict, **numbers, "groups": len(differences), "evidence": evidence, "change": change}


def _differ(one: Compared, models, others, design: Design, unit: str) -> dict:
    """The declared test over the models, or the pair where there are two."""
    alpha, pairs = design.settings["alpha"], one.pairs
    pairs = pairs[pairs["a"].isin(models) & pairs["b"].isin(models)]
    if len(models) < 2:
        return _undecided(f"only {joined(models)} can be judged", "more models that are trained well enough")
    if pairs.empty:
        return _undecided(f"none of the {unit} has a value for every model", f"more {unit}")
    test = over_models(one, models, design)
    top = pairs.loc[pairs["difference"].abs().idxmax()]
    p = test["p"] if test else top[verdicts.p_column(pairs)]
    same = one.cells is None and bool((pairs["p_equivalent"] <= alpha).all())  # of checkpoints alone
    verdict = SUPPORTED if p <= alpha else CONTRADICTED if same else UNDECIDED
    groups = units(len(one.wide.dropna()), unit)
    over = f"{TEST_NAMES[test['test']]} over {len(models)} models on {groups}" if test else "The pair"
    evidence = (
        f"{over}: {shown_p(p)}; the largest difference is {shown(abs(top['difference']))} "
        f"({top['a']} and {top['b']}, {units(int(top['groups']), unit)})"
    )
    if same:
        evidence += f", and every difference is smaller than the margin of {top['margin']:g}"
    ends = ("seeds_low", "seeds_high") if one.cells is not None else ("low", "high")
    numbers = {"effect": top["difference"], "low": top[ends[0]], "high": top[ends[1]], "p": p}
    change = CHANGE[verdict].format(unit=unit)
    detectable = pairs["detectable"].max()
    if verdict == UNDECIDED and one.cells is None and not np.isnan(detectable):
        change += f": a difference of {shown(detectable)} would be found {design.settings['power']:.0%} of the time"
    return {"verdict": verdict, **numbers, "groups": int(top["groups"]), "evidence": evidence, "change": change}
