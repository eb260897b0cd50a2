"""The claim that heatmaps may miss the evidence that a network used, checked where a cue was planted."""

from collections.abc import Sequence

import pandas as pd

from heatproof.stats.claim_checks import CONTRADICTED, SUPPORTED, UNDECIDED, undecided
from heatproof.stats.cue import ACCURACY, HIDDEN, RELIES, SHOWN
from heatproof.stats.words import interval, joined, plain, units

CHANGE = {
    SUPPORTED: "other {unit} or other models, whose heatmaps show the mark that they rely on",
    CONTRADICTED: "another mark, or a model that relies on this one and whose heatmaps do not show it",
    UNDECIDED: "more {unit}",
}


def shows_cue(cue: pd.DataFrame, models: Sequence[str], method: str, metric: str, unit: str) -> dict:
    """Whether a method gives away the planted cue of every model that surely rests on it, competent or not.

    The model that decides is the one whose heatmaps differ least between images with and without the cue.

    Args:
        cue: rows of `stats_tables.CUE`.
        models: those that the claim is on.
    """
    rows = cue[cue["model"].isin(models) & cue["seed"].isna()]
    accuracy = rows[rows["metric"] == ACCURACY]
    relying = accuracy.loc[accuracy["verdict"] == RELIES, "model"].tolist()
    if not relying:
        known = accuracy.dropna(subset="difference")
        evidence = "no model surely relies on the mark"
        if len(known):
            top = known.loc[known["difference"].idxmax()]
            told = interval(top["difference"], top["low"], top["high"])
            evidence += f"; at most accuracy is {told} higher where it agrees with the class ({top['model']})"
        return undecided(evidence, "a model that surely relies on it")
    of = rows[(rows["metric"] == metric) & (rows["method"] == method) & rows["model"].isin(relying)]
    known = of.dropna(subset="difference")
    if known.empty:
        rely = "relies" if len(relying) == 1 else "rely"
        return undecided(
            f"{joined(relying)} surely {rely} on it, but there is no {plain(metric)} of {method}", "scores"
        )
    hidden, seen = known[known["verdict"] == HIDDEN], known[known["verdict"] == SHOWN]
    verdict = SUPPORTED if len(hidden) else CONTRADICTED if len(seen) == len(relying) else UNDECIDED
    among = hidden if len(hidden) else known
    decides = among.loc[among["difference"].abs().idxmin()]
    told = [
        f"{row.model} {row.verdict} ({interval(row.difference, row.low, row.high)}, {units(int(row.groups), unit)})"
        for row in known.itertuples()
    ]
    evidence = (
        f"of the models that surely rely on the mark, whether {method} shows this one by {plain(metric)}, as the "
        f"difference between images with and without it: {'; '.join(told)}"
    )
    numbers = {
        "effect": decides["difference"],
        "low": decides["low"],
        "high": decides["high"],
        "p": None if len(hidden) else decides["p_corrected"],  # that of a difference, which `hidden` does not rest on
    }
    change = CHANGE[verdict].format(unit=unit)
    return {"verdict": verdict, **numbers, "groups": int(decides["groups"]), "evidence": evidence, "change": change}
