"""Ensembles beside their members: described like a model, and held against the best of those they are made of.

An ensemble is no level of the tests between models: it is made of them, and what it shows is not independent of what
they show. Instead it is compared with its best member on the same groups. Which member is best is read off the same
images, which favours it.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from heatproof.seeds import generator
from heatproof.stats import resampled
from heatproof.stats.groups import group_means
from heatproof.stats.multilabel import micro_f1_by_group
from heatproof.stats.paired import t_interval
from heatproof.stats.summary import number
from heatproof.stats.words import counted, joined, plain, shown, units

Predictions = dict[tuple[str, int], pd.DataFrame]
COMBINED = {"vote": "the majority vote", "mean": "the mean of the probabilities"}


def ensemble_numbers(
    ensembles: dict[str, dict],
    judged: dict[str, dict],
    predictions: Predictions,
    per_seed: pd.DataFrame,
    *,
    study: str,
    classes: int,
    called: str,
    methods: Sequence[str],
    primary: dict[str, str],
    lower: frozenset[tuple[str, str]],
    settings: dict,
    unit: str,
) -> dict[str, dict]:
    """Name -> combine, models, what `judged` has of it, `against` (its best members) and `sentences`.

    Args:
        ensembles: name -> combine and models.
        judged: name -> accuracies and competence, as `summary.competence_numbers` gives them.
        predictions: of models and ensembles.
        per_seed: group means of every seed, as from `groups.seed_group_means`.
        called: micro F1 in words: with one class an image it is the accuracy.
        primary: family -> its primary metric.
        lower: (family, metric) of which a low value is good.
        settings: section `stats`: interval, seed.
        unit: what a group is, in the plural.
    """
    means, found = group_means(per_seed), {}
    for name, made in ensembles.items():
        members = made["models"]
        against = [_classified(name, members, predictions, classes, study, settings)]
        for family, metric in primary.items():
            rows = means[(means["family"] == family) & (means["metric"] == metric)]
            for method in methods:
                of = rows[rows["method"] == method].pivot(index="group", columns="model", values="value")
                sign = -1 if (family, metric) in lower else 1
                row = _scored(name, members, of, sign, settings["interval"])
                against += [{"family": family, "metric": metric, "method": method} | row] if row else []
        found[name] = {"combine": made["combine"], "models": list(members)} | judged[name]
        found[name] |= {"against": against, "sentences": _sentences(name, made, against, called, unit)}
    return found


def _classified(
    name: str, members: Sequence[str], predictions: Predictions, classes: int, study: str, settings: dict
) -> dict:
    """Micro F1 of an ensemble less that of its best member, means over seeds, on the same draws of groups."""
    counts = {key: micro_f1_by_group(table, classes) for key, table in predictions.items()}
    names = next(iter(counts.values())).index
    stacks = {
        model: np.stack([table.loc[names].to_numpy() for (known, _), table in counts.items() if known == model])
        for model in (name, *members)
    }  # [seeds, groups, 4]
    value = {model: float(resampled.f1(stack.sum(1)).mean()) for model, stack in stacks.items()}
    best = max(members, key=lambda model: round(value[model], 9))  # of equal ones the first, whatever rounding left
    weights = resampled.draw_groups(len(names), generator(study, name, "ensemble", settings["seed"]))
    one, other = (
        np.mean([resampled.f1(weights @ counts_of) for counts_of in stacks[model]], axis=0) for model in (name, best)
    )
    # shifted into [0, 1], where intervals of shares are made
    low, high = resampled.interval(
        (one - other + 1) / 2, (value[name] - value[best] + 1) / 2, len(names), settings["interval"]
    )
    row = {"measure": "f1_micro", "member": best, "ensemble": value[name], "value": value[best]}
    row |= {"difference": value[name] - value[best], "low": number(2 * low - 1), "high": number(2 * high - 1)}
    return row | {"groups": len(names)}


def _scored(name: str, members: Sequence[str], wide: pd.DataFrame, sign: int, level: float) -> dict | None:
    """A primary metric of an ensemble less that of its best member, over groups that both have; None without any."""
    known = [model for model in members if model in wide and wide[model].notna().any()]
    if name not in wide or not known:
        return None
    # the best on the groups that the ensemble has, so that no member leads by easier ones
    there = wide[wide[name].notna()]
    best = max(known, key=lambda model: sign * there[model].mean() if there[model].notna().any() else -np.inf)
    both = there[[name, best]].dropna()
    if len(both) < 2:
        return None
    difference = (both[name] - both[best]).to_numpy()
    low, high = (float(end[0]) for end in t_interval(difference[:, None], level))
    row = {"member": best, "ensemble": float(both[name].mean()), "value": float(both[best].mean())}
    row |= {"difference": float(difference.mean()), "low": low, "high": high, "groups": len(both)}
    return row | {"better": sign * float(difference.mean()) > 0}


def _sentences(name: str, made: dict, against: list[dict], called: str, unit: str) -> list[str]:
    """In plain words: how it classifies, and where its heatmaps are surely better or worse than its best member's."""
    first, scored = against[0], against[1:]
    how = f"{name} ({COMBINED.get(made['combine'], made['combine'])} of {counted(len(made['models']), 'model')})"
    way = "above" if first["difference"] > 0 else "below"
    an = "an" if called == "accuracy" else "a"
    alike = "" if _sure(first) else "; the two cannot be told apart"
    texts = [
        f"{how} has {an} {called} of {shown(first['ensemble'])}, {_difference(first)} {way} that of its best member, "
        f"{first['member']} ({shown(first['value'])}; {units(first['groups'], unit)}){alike}. It is made of "
        f"the models, so no test between models includes it."
    ]
    if not scored:
        return [*texts, f"The heatmaps of {name} have no score to compare with its members'."]
    ways: dict[str, list[str]] = {}
    for row in (row for row in scored if _sure(row)):
        ways.setdefault(f"{'better' if row['better'] else 'worse'} in {plain(row['metric'])} by ", []).append(
            row["method"]
        )
    many = f"of {counted(len(scored), 'comparison')} of a metric and method, none corrected for the others"
    if ways:
        told = joined([f"{way}{joined(methods)}" for way, methods in ways.items()])
        texts.append(f"Held against the best member of each, the heatmaps of {name} are {told}; {many}.")
    else:
        texts.append(f"The heatmaps of {name} could be told apart from its best member's in none {many}.")
    return texts


def _sure(row: dict) -> bool:
    """Whether the interval of the difference leaves zero out."""
    return row["low"] is not None and (row["low"] > 0 or row["high"] < 0)


def _difference(row: dict) -> str:
    """`0.02 [-0.01, 0.05]`, turned so that the difference itself is positive."""
    if row["low"] is None:
        return shown(abs(row["difference"]))
    ends = (row["low"], row["high"]) if row["difference"] >= 0 else (-row["high"], -row["low"])
    most = max(map(abs, ends))
    told = ", ".join("-" * (end < 0) + shown(abs(end), most) for end in ends)
    return f"{shown(abs(row['difference']), most)} [{told}]"
