"""A cue planted into the images (`data.shortcut`): whether the models rely on it, which heatmaps reveal it, and the
claim that heatmaps may miss it."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from heatproof.catalogue.families import BEATABLE
from heatproof.catalogue.reasons import NO_CONTRAST, ONE_GROUP
from heatproof.core.draws import balanced_accuracy, confusion_by_group
from heatproof.stats.accuracy.competence import accuracy_interval
from heatproof.stats.claims.checks import decided, undecided
from heatproof.stats.statements.general import state
from heatproof.stats.tables.groups import as_text
from heatproof.stats.tests.paired import (
    DECIMALS,
    below_p,
    holm,
    paired_t,
    signed_rank,
    smallest_corrected_p,
    t_interval,
)
from heatproof.stats.verdicts import rules
from heatproof.stats.verdicts.rules import HIDDEN, RELIES, SHOWN, UNCLEAR
from heatproof.store.tables import CUE

FAMILY, ON_CUE, ACCURACY = "localization", "inside_cue", "accuracy"
SIGNS = {ON_CUE: 1, "outside_body": 1, "outside_lungs": 1, "relevance_rank_accuracy": -1}  # 1: more of it shows the cue
KEYS = ["model", "method", "metric"]


def cue_table(
    predictions: dict[tuple[str, int], pd.DataFrame],
    scores: pd.DataFrame,
    cue: pd.Series,
    marked: int,
    methods: Sequence[str],
    settings: dict,
) -> pd.DataFrame:
    """Return rows of `stats_tables.CUE`, models and methods in order.

    Accuracy has method "", with a row a seed and one without a seed for their mean; `marked` is that of the images
    where the cue agrees, `unmarked` where it conflicts. Where a model has several seeds, heatmaps have rows of each
    training run as well, corrected over the methods and metrics of that run.

    Args:
        predictions: (model, seed) -> columns image_id, label, predicted, group of the test images.
        scores: of images, as `groups.compact` gives them.
        cue: image_id -> whether the cue is there.
        marked: the class that it marks, as a label.
        methods: the methods under study; controls are there beside them.
        settings: section `stats`.
    """
    models = list(dict.fromkeys(model for model, _ in predictions))
    labels = next(iter(predictions.values())).set_index("image_id")["label"].astype(int)
    wanted, rows = [*methods, *BEATABLE], []
    found = {pd.NA: _differences(scores, cue, labels, wanted)}
    for model in models:
        tables = {seed: table for (name, seed), table in predictions.items() if name == model}
        rows += [{"model": model} | row for row in reliance(tables, cue, marked, settings)]
        runs = list(tables) if len(tables) > 1 else []
        for seed in runs:
            if seed not in found:
                found[seed] = _differences(scores[scores["seed"] == seed], cue, labels, wanted)
        for seed in (pd.NA, *runs):
            of = {key: row for key, row in found[seed].items() if key[0] == model}
            for chosen in (True, False):
                judged = _judged([row for key, row in of.items() if (key[1] in methods) == chosen], settings)
                rows += [row | {"seed": seed} for row in judged]
    return pd.DataFrame(rows).reindex(columns=list(CUE))


def reliance(tables: dict[int, pd.DataFrame], cue: pd.Series, marked: int, settings: dict) -> list[dict]:
    """The fall in balanced accuracy from images where the cue agrees to those where it conflicts, by seed and in the
    mean of the seeds.

    Either accuracy has its interval over groups (`accuracy.competence`); that of the difference follows from the two
    (Newcombe 1998, method 10). They are taken as independent: as images of one group are right or wrong together, the
    interval is rather too wide.

    Args:
        tables: seed -> columns image_id, label, predicted, group; the same images in each.
    """
    first = next(iter(tables.values())).sort_values("image_id")
    label = first["label"].to_numpy(int)
    agrees = cue.loc[first["image_id"]].to_numpy(bool) == (label == marked)
    classes = int(label.max()) + 1
    present = np.array([all(((label == k) & side).any() for side in (agrees, ~agrees)) for k in range(classes)])
    base = {"method": "", "metric": ACCURACY, "images": len(first), "groups": int(first["group"].nunique())}
    if not present.any():
        return [base | {"seed": pd.NA, "verdict": UNCLEAR, "reason": NO_CONTRAST.code}]
    rows, counts = [], []
    for seed, table in tables.items():
        predicted = table.sort_values("image_id")["predicted"].to_numpy(int)
        size = max(classes, int(predicted.max()) + 1)
        sides = [
            confusion_by_group(label[s], predicted[s], first["group"].to_numpy()[s], size) for s in (agrees, ~agrees)
        ]
        counts.append(sides)
        rows.append(base | {"seed": seed} | _fall(sides, present, settings["interval"]))
    size = max(side.shape[-1] for sides in counts for side in sides)
    means = [np.mean([_padded(sides[i], size) for sides in counts], axis=0) for i in (0, 1)]
    return [*rows, base | {"seed": pd.NA} | _fall(means, present, settings["interval"])]


def _padded(counts: np.ndarray, size: int) -> np.ndarray:
    room = size - counts.shape[-1]
    return np.pad(counts, ((0, 0), (0, room), (0, room)))


def _fall(sides: Sequence[np.ndarray], present: np.ndarray, level: float) -> dict:
    """Balanced accuracies of two sets of images, confusion counts [groups, classes, classes], and their difference."""
    present = np.pad(present, (0, sides[0].shape[-1] - len(present)))
    sides = [np.where(present[:, None], counts, 0) for counts in sides]  # a class without both tells nothing
    one, other = (float(balanced_accuracy(counts.sum(0), present)) for counts in sides)
    ends = [accuracy_interval(counts, present, "balanced_accuracy", level) for counts in sides]
    (low, high), (other_low, other_high) = ((float(end[0]), float(end[1])) for end in ends)
    found = {"marked": one, "unmarked": other, "difference": one - other}
    found["low"] = one - other - float(np.hypot(one - low, other_high - other))
    found["high"] = one - other + float(np.hypot(high - one, other - other_low))
    reason = "" if np.isfinite(found["low"]) else ONE_GROUP.code
    return found | {"verdict": rules.relies_on_cue(found["low"]), "reason": reason}


def _differences(
    scores: pd.DataFrame, cue: pd.Series, labels: pd.Series, methods: Sequence[str]
) -> dict[tuple[str, str, str], dict]:
    """(model, method, metric) -> `values` [groups, 2], means with the cue and without it; images; reason.

    Within a group, images of one class are held against each other, so that no difference between classes is taken for
    one of the cue; then means over its classes, then over seeds. A group that lacks a pair in any seed is left out.
    """
    requested = (scores["family"] == FAMILY) & scores["metric"].isin(list(SIGNS)) & scores["method"].isin(list(methods))
    rows = as_text(scores.loc[requested, [*KEYS, "seed", "group", "image_id", "value", "reason"]])
    rows = rows.assign(cue=cue.loc[rows["image_id"]].to_numpy(bool), label=rows["image_id"].map(labels))
    scored = [metric for metric in SIGNS if rows.loc[rows["metric"] == metric, "value"].notna().any()]
    chunks, found = dict(list(rows.groupby(KEYS, sort=False))), {}
    models = list(dict.fromkeys(rows["model"]))
    for key in [(model, method, metric) for model in models for method in methods for metric in scored]:
        if key in chunks:
            found[key] = dict(zip(KEYS, key, strict=True)) | _paired(chunks[key])
    return found


def _paired(rows: pd.DataFrame) -> dict:
    known = rows.dropna(subset="value")
    if known.empty:
        return {"values": np.empty((0, 2)), "images": 0, "reason": str(rows["reason"].mode().iloc[0])}
    seeds = rows["seed"].nunique(dropna=False)
    cells = known.groupby(["seed", "group", "label", "cue"], dropna=False)["value"].mean().unstack("cue")
    both = cells.reindex(columns=[True, False]).dropna()
    by_seed = both.groupby(["seed", "group"], dropna=False).mean()
    over = by_seed.groupby("group")
    means = over.mean()[over.size() == seeds]
    used = known.set_index(["seed", "group", "label"])
    used = used[used.index.isin(both.index) & used.index.get_level_values("group").isin(means.index)]
    lost, reason = known["group"].nunique() - len(means), ""
    if lost:
        reason = f"{lost} of {known['group'].nunique()} groups left out: no class with and without the cue in each seed"
    return {"values": means.to_numpy(float), "images": int(used["image_id"].nunique()), "reason": reason}


def _judged(found: list[dict], settings: dict) -> list[dict]:
    """Rows with p, corrected over all of them, and verdict."""
    margins, alpha, rows = settings["margin"], settings["alpha"], []
    for one in found:
        values, sign = one["values"], SIGNS[one["metric"]]
        row = {key: one[key] for key in (*KEYS, "images", "reason")} | {"seed": pd.NA, "groups": len(values)}
        if len(values):
            differences = (values[:, 0] - values[:, 1]).round(DECIMALS)
            low, high = (float(end[0]) for end in t_interval(differences[:, None], settings["interval"]))
            p, ranks = signed_rank(differences)
            p = p if settings["test"] == "friedman" else float(paired_t(differences[:, None])[0])
            means = dict(zip(("marked", "unmarked"), values.mean(0).tolist(), strict=True))
            row |= means | {"difference": float(differences.mean()), "low": low, "high": high, "p": p}
            row["side"] = sign * ranks > 0 and sign * differences.mean() > 0
            row["below"] = below_p(sign * differences, margins.get(one["metric"], margins["default"]))
        rows.append(row)
    tested = [row for row in rows if row["groups"]]
    corrected, below = (holm([row[key] for row in tested]) if tested else [] for key in ("p", "below"))
    for row, p, p_below in zip(tested, corrected, below, strict=True):
        row["verdict"] = rules.shows_cue(row.pop("side"), p, p_below, alpha)
        row["p_corrected"] = float(p)
        del row["below"]
        floor = smallest_corrected_p(row["groups"], len(tested)) if settings["test"] == "friedman" else 0
        if row["verdict"] == UNCLEAR and rules.out_of_reach(floor, alpha):
            few = f"{row['groups']} groups are too few for these tests to find anything"
            row["reason"] = "; ".join(filter(None, [few, row["reason"]]))
    return [{"verdict": UNCLEAR} | row for row in rows]


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
        numbers, named = {}, {}
        if len(known):
            top = known.loc[known["difference"].idxmax()]
            numbers, named = {key: top[key] for key in ("difference", "low", "high")}, {"model": top["model"]}
        return undecided(state("claim.no_cue_user", numbers=numbers, **named), "cue_user")
    of = rows[(rows["metric"] == metric) & (rows["method"] == method) & rows["model"].isin(relying)]
    known = of.dropna(subset="difference")
    if known.empty:
        return undecided(state("claim.no_cue_score", models=relying, metric=metric, method=method), "scores")
    hidden, seen = known[known["verdict"] == HIDDEN], known[known["verdict"] == SHOWN]
    verdict = rules.claim_cue(len(hidden), len(seen), len(relying))
    among = hidden if len(hidden) else known
    decides = among.loc[among["difference"].abs().idxmin()]
    columns = {key: tuple(known[key].tolist()) for key in ("difference", "low", "high", "groups")}
    named = {"models": known["model"], "verdicts": known["verdict"], "metric": metric, "method": method, "unit": unit}
    evidence = [state("claim.cue", numbers=columns, **named)]
    numbers = {
        "effect": decides["difference"],
        "low": decides["low"],
        "high": decides["high"],
        "p": None if len(hidden) else decides["p_corrected"],  # that of a difference, which `hidden` does not rest on
    }
    return {**numbers, "groups": int(decides["groups"])} | decided(verdict, evidence, unit, "cue")
