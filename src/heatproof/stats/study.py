"""From the tables of a study to its statistics: what `command` reads goes in, what it writes comes out."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from heatproof.seeds import generator
from heatproof.stats import families
from heatproof.stats import summary as numbers
from heatproof.stats.agreement import by_family
from heatproof.stats.comparison import comparison_numbers, comparison_table
from heatproof.stats.competence import judge
from heatproof.stats.groups import compact, count_missing, group_means, seed_group_means
from heatproof.stats.headline import headline
from heatproof.stats.overview import lead, overview
from heatproof.stats.sentences import comparison_sentence, seeds_sentence, sentences
from heatproof.stats.tables import in_order, metrics_table
from heatproof.stats.words import plain

# (model, seed) -> test predictions of one checkpoint, or of those of all its folds: columns label, predicted, group
Predictions = dict[tuple[str, int], pd.DataFrame]
NO_PAIRS = pd.DataFrame(columns=["metric", "method", "a", "b", "difference", "effect", "p_corrected"])
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
        primary: family -> its primary metric, the only one that is tested; families without one are described.
        settings: the section `stats` of the configuration.

    Raises:
        ValueError: a primary metric or a method has no scores.
    """
    models = list(dict.fromkeys(model for model, _ in predictions))
    seeds = list(dict.fromkeys(seed for _, seed in predictions))
    scores = compact(scores)
    _check_names(scores, methods, primary)

    checkpoints = judge_checkpoints(study, predictions, classes, settings)
    competence = numbers.competence_numbers(checkpoints, models)
    competent = [model for model in models if competence[model]["competent"]]

    per_seed, missing = seed_group_means(scores), count_missing(scores)
    means = group_means(per_seed)
    random = judge_checkpoints(study, compared, classes, settings, "comparison") if compared else checkpoints[:0]
    comparison = comparison_table(checkpoints if compared else checkpoints[:0], random, settings["group_kind"])
    order = [*methods, *families.CONTROLS, *families.YARDSTICKS]
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
        "better": numbers.directions(metrics),
        "refused": numbers.refusals(scores, methods, models),
        "agreement": by_family(scores, competent, methods, primary),
    } | {key: {} for key in ("primary", "seed_means", "missing", "controls", "omnibus", "pairs")}

    tables: dict[str, list] = {"pairs": [], "omnibus": []}
    for family, metric in primary.items():
        asked, tested = (t[(t["family"] == family) & (t["metric"] == metric)] for t in (scores, means))
        at_seeds = per_seed[(per_seed["family"] == family) & (per_seed["metric"] == metric)]
        summary["primary"][family] = {
            "metric": metric,
            "called": plain(metric),
            "lower_is_better": summary["better"][family][metric] == "lower",
            "methods": numbers.model_means(metrics, family, metric),
        }
        summary["seed_means"][family] = numbers.seed_means(at_seeds, methods)
        summary["missing"][family] = numbers.missing_counts(asked, methods)
        for method in methods:
            controls = control_means(asked, method, families.JUDGED_CONTROLS[family])
            found, pairs = numbers.judge_family(tested, controls, family, method, competent, settings["alpha"])
            for key, value in found.items():
                summary[key].setdefault(family, {})[method] = value
            tables["pairs"].append(pairs.assign(metric=metric, method=method))
            if found["omnibus"]["p"] is not None:
                tables["omnibus"].append({"family": family, "metric": metric, "method": method, **found["omnibus"]})

    summary["overview"], summary["lead"] = overview(summary), lead(summary)
    if summary["comparison"]:
        summary["comparison"]["sentence"] = comparison_sentence(summary)
    summary["seeds"]["sentence"] = seeds_sentence(summary)
    summary["headline"], summary["sentences"] = headline(summary), sentences(summary)
    return Statistics(
        models=checkpoints,
        metrics=metrics,
        pairs=pd.concat([NO_PAIRS, *tables["pairs"]], ignore_index=True),
        omnibus=pd.DataFrame(tables["omnibus"], columns=OMNIBUS),
        missing=in_order(missing, order, models).drop(columns="family"),
        comparison=comparison,
        summary=summary,
    )


def control_means(scores: pd.DataFrame, method: str, controls: Sequence[str]) -> pd.DataFrame:
    """Group means of the controls of one metric, over those images that have a value of the method.

    A method that explains a part of the images, or whose maps are degenerate on some, is held against the controls of
    the same images.

    Args:
        scores: the scores of one family and metric.
    """
    keys = ["model", "seed", "image_id"]
    scored = set(scores["method"].unique())
    names = {families.own(c, method) if families.own(c, method) in scored else c: c for c in controls}
    own, beside = scores[scores["method"] == method], scores[scores["method"].isin(list(names))]
    beside = beside.assign(method=beside["method"].astype(str).map(names).astype("category"))
    lost = pd.MultiIndex.from_frame(own.loc[own["value"].isna(), keys])
    if len(lost) and len(beside):
        absent = pd.MultiIndex.from_frame(beside[keys]).isin(lost)
        beside = beside.assign(value=beside["value"].mask(absent))
    return group_means(seed_group_means(beside))


def _check_names(scores: pd.DataFrame, methods: Sequence[str], primary: dict[str, str]) -> None:
    for family, metric in primary.items():
        of = scores[scores["family"] == family]
        known = sorted(of["metric"].unique())
        if metric not in known:
            raise ValueError(f"score.primary.{family}: no scores of {metric!r}; scored are {', '.join(known)}")
        scored = set(of["method"].unique())
        for method in methods:
            if method not in scored:
                raise ValueError(f"explain.methods: no {family} scores of {method!r}; run snakemake to make them")
    if np.isinf(scores["value"]).any():
        raise ValueError("a score is infinite: a metric must give a number or NaN with a reason")
