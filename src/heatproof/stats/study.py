"""From the tables of a study to its statistics: what `command` reads goes in, what it writes comes out."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from heatproof.catalogue.controls import BEATABLE, YARDSTICKS
from heatproof.catalogue.families import FAMILIES
from heatproof.stats.accuracy import classification, multilabel
from heatproof.stats.accuracy.competence import ensemble_numbers
from heatproof.stats.accuracy.competence import judge as judge_checkpoint
from heatproof.stats.accuracy.published import (
    RANDOM,
    comparison_numbers,
    comparison_table,
    published_numbers,
    published_table,
    split_name,
)
from heatproof.stats.claims import claims
from heatproof.stats.claims.cue import cue_table
from heatproof.stats.sentences import relations as relation_sentences
from heatproof.stats.sentences.general import comparison_sentence, seeds_sentence, setting_numbers
from heatproof.stats.sentences.headline import answer, in_short, lead, overview
from heatproof.stats.sentences.relations import cue_numbers
from heatproof.stats.sentences.verdicts import sentences, unjudged
from heatproof.stats.sentences.words import unit
from heatproof.stats.tables import groups
from heatproof.stats.tables.groups import (
    compact,
    count_missing,
    group_means,
    in_order,
    metrics_table,
    scores_in_order,
    seed_group_means,
)
from heatproof.stats.tests import relations
from heatproof.stats.tests.accuracy_relation import accuracy_and
from heatproof.stats.tests.sensitivity import by_family
from heatproof.stats.verdicts import judge as numbers
from heatproof.stats.verdicts.combined import combined
from heatproof.stats.verdicts.gather import gather
from heatproof.stats.verdicts.rules import Design
from heatproof.store import artifacts

# (model, seed) -> test predictions of one checkpoint, or of those of all its folds: columns image_id, label, predicted,
# group, p_0, p_1, ..., or where images have several labels label_0, ..., predicted_0, ... in place of the first two
Predictions = dict[tuple[str, int], pd.DataFrame]

NO_LABEL = "no label has test images of {0} {1} with it and of as many without it"


@dataclass(frozen=True)
class Statistics:
    """The tables below `results/stats/<study>/`, by their names in `store.tables`, and the summary."""

    tables: dict[str, pd.DataFrame]
    summary: dict


def judge_checkpoints(predictions: Predictions, classes: int, settings: dict) -> pd.DataFrame:
    """Competence of every (model, seed), with the images and groups that it rests on."""
    rows = []
    for (model, seed), table in predictions.items():
        result = judge_checkpoint(
            table["label"].to_numpy(int),
            table["predicted"].to_numpy(int),
            table["group"].to_numpy(),
            classes,
            level=settings["interval"],
            margin=settings["competence_margin"],
        )
        size = {"images": len(table), "groups": table["group"].nunique()}
        rows.append({"model": model, "seed": seed, **result, **size})
    return pd.DataFrame(rows)


def evaluate(
    study: str,
    predictions: Predictions,
    scores: pd.DataFrame,
    *,
    shapes: pd.DataFrame | None = None,
    compared: Predictions,
    simple: dict[str, Predictions],
    folds: int,
    classes: Sequence[str],
    methods: Sequence[str],
    primary: dict[str, str],
    settings: dict,
    setting: dict,
    shortcut: dict | None = None,
    cue: pd.Series | None = None,
    ensembles: dict[str, dict] | None = None,
    counts: dict[str, dict[str, int]] | None = None,
) -> Statistics:
    """All statistics of a study.

    Args:
        study: its name.
        predictions: models in order.
        scores: scores of all images, columns as in `artifacts.SCORES` and family.
        shapes: size and shape of the true regions, as `relations.shapes` measures them; None without masks.
        compared: the same models trained and tested on a random split; empty where the study does not compare.
        simple: by split (`random`, and what `published.split_name` says), the answers of the classifiers of
            `accuracy.published`, with a seed of 0; empty where the study neither compares nor has published numbers
            beside it.
        folds: how many folds the test images come from.
        classes: names of the classes.
        methods: the methods under study; all others in `scores` are controls or the ceiling.
        primary: family -> its primary metric, the one that verdicts rest on; families without one are described.
        settings: the section `stats` of the configuration.
        setting: what the models were trained from and on, as `general.setting_numbers` takes it.
        shortcut: rate, test_rate and label of a cue that was planted, None where none was.
        cue: image_id -> whether it is there, where one was planted.
        ensembles: name -> combine and models. They stand in `predictions` and `scores` like models, are described like
            them, and are no level of any test.
        counts: family -> cases (an image and a label) kept and left out, where images have several labels.

    Raises:
        ValueError: a primary metric or a method has no scores.
    """
    ensembles, everyone = ensembles or {}, list(dict.fromkeys(model for model, _ in predictions))
    models = [model for model in everyone if model not in ensembles]
    trained_alone = {key: table for key, table in predictions.items() if key[0] in models}
    seeds = list(dict.fromkeys(seed for _, seed in predictions))
    scores = scores_in_order(compact(scores), methods, everyone)
    _check_names(scores, methods, primary)
    first = next(iter(predictions.values()))
    known = None
    if artifacts.is_multilabel(first):
        known = multilabel.known_labels(first, classes, settings["min_patients"])

    def judge(predictions: Predictions) -> pd.DataFrame:
        if known is None:
            return judge_checkpoints(predictions, len(classes), settings)
        return multilabel.judge_checkpoints(predictions, known, settings, study)[0]

    checkpoints, by_label, measures = (
        (judge(predictions), None, None)
        if known is None
        else multilabel.judge_checkpoints(predictions, known, settings, study)
    )
    errors = classification.calibration_error(predictions)
    keys = list(zip(checkpoints["model"], checkpoints["seed"], strict=True))
    if known is None:
        areas = classification.auroc(predictions)
        checkpoints = checkpoints.assign(auroc=[areas[key] for key in keys])
    checkpoints = checkpoints.assign(calibration_error=[errors[key] for key in keys])
    competence = numbers.competence_numbers(checkpoints, models)
    competent = [model for model in models if competence[model]["competent"]]

    per_seed, missing = seed_group_means(scores), count_missing(scores)
    random = judge(compared) if compared else checkpoints[:0]
    beside_random = checkpoints[checkpoints["model"].isin(models)] if compared and _counts(known) else checkpoints[:0]
    comparison = comparison_table(beside_random, random if _counts(known) else random[:0], split_name(settings))
    published = {name: told for name, told in settings["published"].items() if told}
    judged = {split: judge(answers) for split, answers in simple.items()}
    trained = {split_name(settings): checkpoints, RANDOM: random} if compared else {split_name(settings): checkpoints}
    judged = {split: pd.concat([trained[split], found]) for split, found in judged.items()}
    beside = published_table(published, judged, everyone)
    order = [*methods, *BEATABLE, *YARDSTICKS]
    metrics = metrics_table(group_means(per_seed), missing, settings["interval"], order, everyone, per_seed)

    chance = multilabel.CHANCE if known is not None else 1 / first["label"].nunique()
    summary = {
        "study": study,
        "classes": len(classes),
        "images_test": len(first),
        "groups_test": int(first["group"].nunique()),
        "folds": folds,
        "groups": {"kind": settings["group_kind"]} | {key: settings.get(key) for key in ("split_by", "patients_known")},
        "methods": list(methods),
        "seeds": {"count": len(seeds), "values": seeds},
        "alpha": settings["alpha"],
        "interval": settings["interval"],
        "test": settings["test"],
        "power": settings["power"],
        "competence": {"chance": chance, "floor": chance + settings["competence_margin"]},
        "checkpoints": numbers.checkpoint_numbers(checkpoints),
        "models": competence,
        "left_out": [model for model in models if model not in competent],
        "comparison": comparison_numbers(comparison, models),
        "published": published_numbers(published, beside),
        "setting": setting_numbers(setting),
        "better": numbers.directions(metrics),
        "refused": numbers.refusals(scores, methods, models),
        "agreement": by_family(scores, competent, methods, primary),
    }
    if known is not None:
        summary |= {"task": "multilabel", "labels": known.numbers(unit(summary))}
        summary |= {"cases": counts or {}, "cases_sentence": groups.sentence(counts or {})}
        summary["competence"] |= {"measure": "macro AUROC"}
        summary["competence"] |= {} if _counts(known) else {"reason": NO_LABEL.format(known.least, unit(summary))}
    design = Design(
        models=competent,
        methods=list(methods),
        primary=primary,
        controls={name: family.judged for name, family in FAMILIES.items() if family.judged},
        lower=frozenset((f, m) for f, found in summary["better"].items() for m, way in found.items() if way == "lower"),
        settings=settings,
    )
    tables, found, tested, worst = gather(scores, per_seed, metrics, design)
    summary |= found
    if shortcut:
        label = list(classes).index(shortcut["label"] or classes[-1])
        tables["cue"] = cue_table(trained_alone, scores, cue, label, methods, settings)
        summary["cue"] = cue_numbers(tables["cue"], shortcut, classes, methods, settings, unit(summary), setting)
    checked = claims.check(
        settings["claims"],
        tested,
        summary["separates"],
        models,
        len(seeds),
        design,
        unit(summary),
        lambda family, method: unjudged(summary, family, method),
        again={key: found.again for key, found in worst.items()},
        refused=summary["refused"],
        cue=tables.get("cue"),
    )
    found_rows, told = claims.check_compound(
        settings["findings"], scores, per_seed, models, len(seeds), design, unit(summary)
    )
    summary |= {"findings": told} if told else {}
    tables["claims"] = pd.DataFrame([*checked, *found_rows])
    summary["claims"] = numbers.records(tables["claims"])

    covariates = relations.covariates(trained_alone, shapes, classes)
    tables["relations"] = relations.relations(scores, covariates, methods, competent, primary, settings)
    summary["accuracy_relations"] = accuracy_and(study, checkpoints, per_seed, methods, competent, primary, settings)

    if ensembles:
        summary["ensembles"] = ensemble_numbers(
            ensembles,
            numbers.competence_numbers(checkpoints, list(ensembles)),
            predictions,
            per_seed,
            study=study,
            classes=len(classes),
            called="accuracy" if known is None else "micro F1",
            methods=methods,
            primary=primary,
            lower=design.lower,
            settings=settings,
            unit=unit(summary),
        )
    summary["overview"], summary["lead"] = overview(summary), lead(summary)
    summary["combined"] = combined(summary)
    if summary["comparison"]:
        summary["comparison"]["sentence"] = comparison_sentence(summary)
    summary["seeds"]["sentence"] = seeds_sentence(summary)
    summary["answer"], summary["sentences"] = answer(summary), sentences(summary)
    summary["in_short"], summary["headline"] = in_short(summary), [row["text"] for row in summary["answer"]]
    summary["relations"] = relation_sentences.sentences(tables["relations"], summary, settings["power"])
    summary["confidence"] = classification.confidence(predictions, settings["interval"], study, settings["seed"])
    tables |= {
        "models": checkpoints,
        "confusion": classification.confusion(predictions, classes),
        "roc": classification.roc(predictions, classes),
        "calibration": classification.calibration(predictions),
        "metrics": metrics,
        "missing": in_order(missing, order, everyone),
        "comparison": comparison,
        "published": beside,
    }
    if known is not None:
        tables |= {"labels": by_label, "multilabel": measures}
    return Statistics(tables, summary)


def _counts(known: multilabel.Labels | None) -> bool:
    """Whether there is a label to judge by; always where an image has one class."""
    return known is None or bool(known.counted.any())


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
