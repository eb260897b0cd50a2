"""From the tests of one family and method to what the summary says of it, as one nested dictionary (DVC's metrics
file)."""

from collections.abc import Sequence
from itertools import product

import numpy as np
import pandas as pd

from heatproof.catalogue.metrics import better
from heatproof.catalogue.reasons import is_unsupported
from heatproof.stats.tests.analysis import Compared
from heatproof.stats.tests.omnibus import cliques, mean_ranks, smallest_corrected_p
from heatproof.stats.verdicts import rules
from heatproof.stats.verdicts.rules import Design


def number(value: float | None) -> float | None:
    """JSON has no NaN: null stands for a number that is not there."""
    return None if value is None or pd.isna(value) else float(value)


def records(table: pd.DataFrame) -> list[dict]:
    """Rows as dictionaries of plain values, numbers that are not there as null."""
    return [{key: _plain(value) for key, value in row.items()} for row in table.to_dict("records")]


def _plain(value):
    if isinstance(value, str | bool | np.bool_):
        return bool(value) if isinstance(value, np.bool_) else value
    return int(value) if isinstance(value, int | np.integer) else number(value)


def checkpoint_numbers(checkpoints: pd.DataFrame) -> list[dict]:
    """Every checkpoint with its accuracies and intervals, as judged."""
    named = ("model", "seed", "competent", "images", "groups")
    return [
        {key: value if key in named else number(value) for key, value in row.items() if not key.startswith("f1:")}
        for row in checkpoints.to_dict("records")
    ]


def competence_numbers(checkpoints: pd.DataFrame, models: Sequence[str]) -> dict[str, dict]:
    """Model -> means over its checkpoints of the accuracies; competent if every checkpoint is."""
    means = ("accuracy", "balanced_accuracy", "f1_macro")
    means += ("f1_micro", "auroc") if "f1_micro" in checkpoints else ()
    return {
        model: {name: number(rows[name].mean()) for name in means} | {"competent": bool(rows["competent"].all())}
        for model in models
        for rows in [checkpoints[checkpoints["model"] == model]]
    }


def directions(metrics: pd.DataFrame) -> dict[str, dict[str, str]]:
    """Family -> metric -> `higher`, `lower` or `none`, of the metrics table."""
    named = metrics[["family", "metric"]].drop_duplicates()
    return {
        family: {metric: better(family, metric) for metric in of["metric"]}
        for family, of in named.groupby("family", sort=False)
    }


def model_means(metrics: pd.DataFrame, family: str, metric: str) -> dict[str, dict[str, float | None]]:
    """Method -> model -> mean, from the metrics table; controls and ceiling are methods too."""
    rows = metrics[(metrics["family"] == family) & (metrics["metric"] == metric)]
    return {
        method: {model: number(mean) for model, mean in zip(of["model"], of["mean"], strict=True)}
        for method, of in rows.groupby("method", sort=False)
    }


def model_intervals(metrics: pd.DataFrame, family: str, metric: str) -> dict[str, dict[str, list[float | None]]]:
    """Method -> model -> low and high end of the mean's interval over groups."""
    rows = metrics[(metrics["family"] == family) & (metrics["metric"] == metric)]
    return {
        method: {
            m: [number(low), number(high)] for m, low, high in zip(of["model"], of["low"], of["high"], strict=True)
        }
        for method, of in rows.groupby("method", sort=False)
    }


def seed_spread(means: dict[str, dict[str, float | None]]) -> dict[str, float]:
    """Model -> the largest difference between the means of its seeds, of models with several."""
    found = {model: [mean for mean in by_seed.values() if mean is not None] for model, by_seed in means.items()}
    return {model: max(values) - min(values) for model, values in found.items() if len(values) > 1}


def seed_means(per_seed: pd.DataFrame, methods: Sequence[str]) -> dict[str, dict[str, dict[str, float | None]]]:
    """Method -> model -> seed -> mean over groups, of one metric's rows; scores across seeds have none."""
    rows = per_seed[per_seed["method"].isin(methods) & per_seed["seed"].notna()]
    table: dict = {}
    means = rows.groupby(["method", "model", "seed"], observed=True)["value"].mean()
    for (method, model, seed), mean in means.items():
        table.setdefault(method, {}).setdefault(model, {})[str(seed)] = number(mean)
    return table


def missing_counts(scores: pd.DataFrame, methods: Sequence[str]) -> dict[str, dict[str, dict]]:
    """Method -> model -> scores (asked for) and reasons (reason -> scores without a value), of one metric."""
    rows = scores[scores["method"].isin(methods)]
    table: dict = {}
    for (method, model), of in rows.groupby(["method", "model"], sort=False, observed=True):
        reasons = of.loc[of["value"].isna(), "reason"].value_counts(sort=False)
        counts = {str(reason): int(count) for reason, count in sorted(reasons.items()) if count}
        table.setdefault(method, {})[model] = {"scores": len(of), "reasons": counts}
    return table


def refusals(scores: pd.DataFrame, methods: Sequence[str], models: Sequence[str]) -> dict[str, dict[str, str]]:
    """Method -> model -> code of why, of the models that a method does not support: none of their maps was made."""
    rows = scores[scores["method"].isin(methods)]
    kept = rows.groupby(["method", "model"], observed=True)["value"].count()
    asked = list(filter(is_unsupported, rows["reason"].cat.categories))
    first = rows[rows["reason"].isin(asked)].groupby(["method", "model"], observed=True)["reason"].first()
    found: dict = {}
    for key in [key for key in product(methods, models) if key in first.index and kept[key] == 0]:
        found.setdefault(key[0], {})[key[1]] = str(first[key])
    return found


def key_numbers(summary: dict) -> dict:
    """The few numbers that two runs are compared by: accuracies, primary scores, verdicts, claims."""
    scores = {
        f"{family}_{primary['metric']}": {
            method: {model: round(mean, 4) for model, mean in found.items() if mean is not None}
            for method, found in primary["methods"].items()
            if method in summary["methods"]
        }
        for family, primary in summary["primary"].items()
    }
    better = {
        family: {
            method: None if summary["overview"][family][method]["few"] else list(found.values()).count("better")
            for method, found in methods.items()
        }
        for family, methods in summary["verdicts"].items()
    }
    apart = {
        family: {method: found["different"] for method, found in methods.items()}
        for family, methods in summary["pairs"].items()
    }
    together: dict = {}
    for row in summary.get("combined", []):
        words = f"localization {row['localization']['verdict']}, faithfulness {row['faithfulness']['verdict']}"
        together.setdefault(row["method"], {})[row["model"]] = words
    return {
        "balanced_accuracy": {
            model: None if row["balanced_accuracy"] is None else round(row["balanced_accuracy"], 4)
            for model, row in summary["models"].items()
        },
        "score": scores,
        "models_that_beat_the_controls": better,
        "pairs_told_apart": apart,
        "combined": together,
        "claims": {row["name"]: row["verdict"] for row in summary["claims"]},
    }


NO_DIFFERENCE = "no difference shown"
COUNTS = ("test", "levels", "groups", "dropped")


def judge(one: Compared, design: Design, spread: dict[str, float]) -> dict:
    """What one method's primary metric says of the models that take part.

    Args:
        spread: model -> the largest difference between the means of its seeds.

    Returns:
        `population`, `shares` of alpha of the two questions, `controls` (control -> model -> row), `verdicts`
        (model -> word),
        `omnibus` (the test that was declared), `pairs` and `ranks`.
    """
    settings = design.settings
    of_controls, of_models = rules.levels(settings["alpha"], one.wide.shape[1], one.controls)
    declared = rules.QUASI_F if one.cells is not None else settings["test"]
    omnibus = next(row for row in one.omnibus if row["test"] == declared)
    omnibus = {key: number(value) if key not in COUNTS else value for key, value in omnibus.items()}
    return {
        "population": population(one),
        "shares": {"controls": of_controls, "models": of_models},
        "controls": _by_control(one.controls),
        "verdicts": rules.by_model(one.controls),
        "omnibus": omnibus,
        "pairs": _pairs(one, _gate(one, omnibus["p"]), of_models, spread, settings),
        "ranks": _ranks(one, design, _gate(one, omnibus["p"]), of_models),
    }


def population(one: Compared) -> str:
    """Whom its verdicts speak of: the `checkpoints` at hand, or from five seeds on the `architectures`."""
    over_seeds = one.cells is not None or rules.p_column(one.pairs) == "p_seeds"
    return "architectures" if over_seeds else "checkpoints"


def _gate(one: Compared, p: float | None) -> float | None:
    """The p of the test over all models; NaN, which lets no pair through, where it could not be made."""
    return float("nan") if p is None and one.wide.shape[1] > 2 else p


def _by_control(controls: pd.DataFrame) -> dict[str, dict[str, dict]]:
    found: dict = {}
    for row in records(controls):
        found.setdefault(row.pop("control"), {})[row.pop("model")] = row
    return found


def _pairs(one: Compared, p: float | None, alpha: float, spread: dict[str, float], settings: dict) -> dict:
    """Counts and names; `largest` is the largest difference of those that can be told apart."""
    apart = rules.told_apart(one.pairs, p, alpha)
    rest = one.pairs.drop(apart.index)
    first = apart.loc[[apart["difference"].abs().idxmax()]] if len(apart) else apart
    column = rules.p_column(one.pairs)
    return {
        "tested": len(one.pairs),
        "groups": int(one.pairs["groups"].max()) if len(one.pairs) else 0,
        "different": len(apart),
        "largest": next(iter(records(first)), None),
        "p": column,
        "told_apart": _names(apart),
        "equivalent": _names(rules.equivalent(one.pairs, settings["alpha"])),
        "within_seeds": _names(rules.within_seeds(rest, spread)),
        "detectable_groups": _groups_of_detectable(one.pairs),
        # what these checkpoints could show says nothing of architectures
        "detectable": number(one.pairs["detectable"].max()) if column == "p_corrected" else None,
        "margin": number(one.pairs["margin"].max()) if len(one.pairs) else None,
        "smallest_p": _reachable(one.pairs, column, settings["test"]) if len(one.pairs) else None,
    }


def _groups_of_detectable(pairs: pd.DataFrame) -> int:
    """The groups of the pair in which only the largest difference would be found; 0 where none could be."""
    found = pairs["detectable"].astype(float).dropna()
    return int(pairs.loc[found.idxmax(), "groups"]) if len(found) else 0


def _reachable(pairs: pd.DataFrame, column: str, test: str) -> float:
    """The smallest corrected p that so many groups can have: t tests of two or more have no such limit."""
    groups = int(pairs["groups"].max())
    if column == "p_corrected" and test == "friedman":
        return smallest_corrected_p(groups, len(pairs))
    return 0.0 if groups > 1 else 1.0


def _names(pairs: pd.DataFrame) -> list[list[str]]:
    return pairs[["a", "b"]].to_numpy().tolist()


def _ranks(one: Compared, design: Design, p: float | None, alpha: float) -> dict | None:
    """What a critical-difference diagram shows; None where there is nothing to compare."""
    complete = one.wide.dropna()
    if complete.shape[1] < 2 or len(complete) < 2:
        return None
    ranks = mean_ranks(complete, (one.family, one.metric) in design.lower)
    apart = rules.told_apart(one.pairs, p, alpha)
    # a pair that is not declared is not told apart, whatever its own p
    shown = one.pairs.assign(p_corrected=1.0)
    shown.loc[apart.index, "p_corrected"] = 0.0
    return {
        "models": {name: float(rank) for name, rank in ranks.items()},
        "cliques": [list(names) for names in cliques(ranks, shown, alpha)],
        "groups": len(complete),
    }


def words_of(one: Compared, design: Design) -> dict[tuple[str, str], str]:
    """(question, subject) -> the verdict in a word or two: what a sensitivity analysis may change."""
    found = {("controls", model): verdict for model, verdict in rules.by_model(one.controls).items()}
    told = judge(one, design, {})
    apart = {(a, b) for a, b in told["pairs"]["told_apart"]}
    for row in records(one.pairs):
        a, b = row["a"], row["b"]
        over = f"{a} over {b}" if row["difference"] > 0 else f"{b} over {a}"
        found["models", f"{a} - {b}"] = over if (a, b) in apart else NO_DIFFERENCE
    return found
