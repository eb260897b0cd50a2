"""From the tables of a study to its statistics: what `command` reads goes in, what it writes comes out."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from heatproof.seeds import generator
from heatproof.stats import summary as numbers
from heatproof.stats.comparison import comparison_numbers, comparison_table
from heatproof.stats.competence import judge
from heatproof.stats.groups import count_missing, group_means, seed_group_means
from heatproof.stats.headline import headline
from heatproof.stats.sentences import comparison_sentence, seeds_sentence, sentences
from heatproof.stats.tables import in_order, metrics_table

# (model, seed) -> test predictions of one checkpoint, or of those of all its folds: columns label, predicted, group
Predictions = dict[tuple[str, int], pd.DataFrame]
OMNIBUS = ["family", "metric", "method", "models", "groups", "statistic", "df", "kendall_w", "p"]


@dataclass(frozen=True)
class Statistics:
    """The tables below `results/stats/<study>/`, with all columns of `artifacts`, and the summary."""

    models: pd.DataFrame
    metrics: pd.DataFrame
    pairs: pd.DataFrame
    omnibus: pd.DataFrame
    missing: pd.DataFrame
    comparison: pd.DataFrame
    summary: dict


def judge_checkpoints(
    study: str, predictions: Predictions, classes: int, settings: dict, purpose: str = "competence"
) -> pd.DataFrame:
    """Competence of every (model, seed), with the images and groups that it rests on.

    Args:
        purpose: what the bootstrap draws are for, so that no two purposes share them.
    """
    rows = []
    for (model, seed), table in predictions.items():
        result = judge(
            table["label"].to_numpy(int),
            table["predicted"].to_numpy(int),
            table["group"].to_numpy(),
            classes,
            draws=settings["bootstrap"],
            level=settings["interval"],
            margin=settings["competence_margin"],
            rng=generator(study, model, seed, purpose, settings["seed"]),
        )
        size = {"images": len(table), "groups": table["group"].nunique()}
        rows.append({"model": model, "seed": seed, **result, **size})
    return pd.DataFrame(rows)


def evaluate(
    study: str,
    predictions: Predictions,
    scores: pd.DataFrame,
    *,
    compared: Predictions,
    folds: int,
    classes: int,
    methods: Sequence[str],
    primary: dict[str, str],
    settings: dict,
) -> Statistics:
    """All statistics of a study.

    Args:
        study: its name.
        predictions: models in order.
        scores: scores of all images, columns as in `artifacts.SCORES` and family.
        compared: the same models trained and tested on a random split; empty where the study does not compare.
        folds: how many folds the test images come from.
        classes: number of classes.
        methods: the methods under study; all others in `scores` are controls or the ceiling.
        primary: family -> its primary metric, the only one that is tested.
        settings: the section `stats` of the configuration.

    Raises:
        ValueError: a primary metric or a method has no scores.
    """
    models = list(dict.fromkeys(model for model, _ in predictions))
    seeds = list(dict.fromkeys(seed for _, seed in predictions))
    _check_names(scores, methods, primary)

    checkpoints = judge_checkpoints(study, predictions, classes, settings)
    competence = numbers.competence_numbers(checkpoints, models)
    competent = [model for model in models if competence[model]["competent"]]

    per_seed, missing = seed_group_means(scores), count_missing(scores)
    means = group_means(per_seed)
    random = judge_checkpoints(study, compared, classes, settings, "comparison") if compared else checkpoints[:0]
    comparison = comparison_table(checkpoints if compared else checkpoints[:0], random, settings["group_kind"])
    order = [*methods, *numbers.CONTROLS, numbers.CEILING]
    metrics = metrics_table(means, missing, settings["interval"], order, models)

    first = next(iter(predictions.values()))
    present = first["label"].nunique()
    summary = {
        "study": study,
        "classes": classes,
        "images_test": len(first),
        "groups_test": int(first["group"].nunique()),
        "folds": folds,
        "groups": {"kind": settings["group_kind"]} | {key: settings.get(key) for key in ("split_by", "patients_known")},
        "methods": list(methods),
        "seeds": {"count": len(seeds), "values": seeds},
        "alpha": settings["alpha"],
        "interval": settings["interval"],
        "competence": {"chance": 1 / present, "floor": 1 / present + settings["competence_margin"]},
        "checkpoints": numbers.checkpoint_numbers(checkpoints),
        "models": competence,
        "left_out": [model for model in models if model not in competent],
        "comparison": comparison_numbers(comparison, models),
    } | {key: {} for key in ("primary", "seed_means", "missing", "controls", "omnibus", "pairs")}

    tables: dict[str, list] = {"pairs": [], "omnibus": []}
    for family, metric in primary.items():
        of_metric = (scores["family"] == family) & (scores["metric"] == metric)
        at_seeds = per_seed[(per_seed["family"] == family) & (per_seed["metric"] == metric)]
        summary["primary"][family] = {
            "metric": metric,
            "lower_is_better": metric in numbers.LOWER_IS_BETTER,
            "methods": numbers.model_means(metrics, family, metric),
        }
        summary["seed_means"][family] = numbers.seed_means(at_seeds, methods)
        summary["missing"][family] = numbers.missing_counts(scores[of_metric], methods)
        for method in methods:
            found, pairs = numbers.judge_family(means, family, metric, method, competent, settings["alpha"])
            for key, value in found.items():
                summary[key].setdefault(family, {})[method] = value
            tables["pairs"].append(pairs.assign(metric=metric, method=method))
            if found["omnibus"]["p"] is not None:
                tables["omnibus"].append({"family": family, "metric": metric, "method": method, **found["omnibus"]})

    if summary["comparison"]:
        summary["comparison"]["sentence"] = comparison_sentence(summary)
    summary["seeds"]["sentence"] = seeds_sentence(summary)
    summary["headline"], summary["sentences"] = headline(summary), sentences(summary)
    return Statistics(
        models=checkpoints,
        metrics=metrics,
        pairs=pd.concat(tables["pairs"], ignore_index=True),
        omnibus=pd.DataFrame(tables["omnibus"], columns=OMNIBUS),
        missing=in_order(missing, order, models).drop(columns="family"),
        comparison=comparison,
        summary=summary,
    )


def _check_names(scores: pd.DataFrame, methods: Sequence[str], primary: dict[str, str]) -> None:
    for family, metric in primary.items():
        of = scores[scores["family"] == family]
        known = sorted(set(of["metric"]))
        if metric not in known:
            raise ValueError(f"score.primary.{family}: no scores of {metric!r}; scored are {', '.join(known)}")
        for method in methods:
            if method not in set(of["method"]):
                raise ValueError(f"explain.methods: no {family} scores of {method!r}; run snakemake to make them")
    if np.isinf(scores["value"]).any():
        raise ValueError("a score is infinite: a metric must give a number or NaN with a reason")
