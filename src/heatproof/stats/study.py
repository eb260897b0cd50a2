"""From the tables of a study to its statistics, part by part: each takes what is known and adds to it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import product

import numpy as np
import pandas as pd

from heatproof.catalogue.families import BEATABLE, FAMILIES, YARDSTICKS
from heatproof.catalogue.metrics import better
from heatproof.catalogue.reasons import NO_LABEL_COUNTED, is_unsupported
from heatproof.core.statements import Statement
from heatproof.stats.accuracy import classification, multilabel
from heatproof.stats.accuracy.competence import judge, judge_ensembles, model_means
from heatproof.stats.accuracy.published import (
    RANDOM,
    compare_splits,
    comparison_table,
    explain_published,
    published_table,
    split_name,
)
from heatproof.stats.claims import claims
from heatproof.stats.claims.cue import cue_table
from heatproof.stats.results import Cases, Claim, Competence, Groups, Model, Seeds, Setting, StudyResults, records
from heatproof.stats.statements import general, relations, verdicts
from heatproof.stats.tables.groups import (
    compact,
    count_missing,
    group_means,
    in_order,
    metrics_table,
    scores_in_order,
    seed_group_means,
)
from heatproof.stats.tests import relations as correlations
from heatproof.stats.tests.relations import accuracy_and
from heatproof.stats.tests.sensitivity import by_family
from heatproof.stats.verdicts.gather import Gathered, gather
from heatproof.stats.verdicts.judge import combined
from heatproof.stats.verdicts.rules import Design
from heatproof.store import artifacts

# (model, seed) -> test predictions of one checkpoint, or of those of all its folds: columns image_id, label, predicted,
# group, p_0, p_1, ..., or where images have several labels label_0, ..., predicted_0, ... in place of the first two
Predictions = dict[tuple[str, int], pd.DataFrame]
Tables = dict[str, pd.DataFrame]


@dataclass(frozen=True)
class StudyInputs:
    """What the statistics of a study are made from.

    Attributes:
        predictions: models in order.
        scores: of all images, columns as in `artifacts.SCORES` and family.
        classes: names of the classes.
        methods: the methods under study; all others in `scores` are controls or yardsticks.
        primary: family -> its primary metric, which verdicts are based on; families without one are described.
        settings: the section `stats` of the configuration.
        setting: what the models were trained from and on.
        folds: how many folds the test images come from.
        shapes: size and shape of the true regions, as `relations.shape` measures them; None without masks.
        compared: the same models trained and tested on a random split; empty where the study does not compare.
        simple: by split, the answers of the classifiers of `accuracy.published`, with a seed of 0.
        shortcut: rate, test_rate and label of a cue that was planted, None where none was.
        cue: image_id -> whether it is there, where one was planted.
        ensembles: name -> combine and models. They stand in `predictions` and `scores` like models, are described like
            them, and are no level of any test.
        cases: family -> cases (an image and a label) kept and left out, where images have several labels.
        within: image_id -> the value of the column `stats.within`, None without one.
    """

    study: str
    predictions: Predictions
    scores: pd.DataFrame
    classes: Sequence[str]
    methods: Sequence[str]
    primary: dict[str, str]
    settings: dict
    setting: Setting
    folds: int = 1
    shapes: pd.DataFrame | None = None
    compared: Predictions = field(default_factory=dict)
    simple: dict[str, Predictions] = field(default_factory=dict)
    shortcut: dict | None = None
    cue: pd.Series | None = None
    ensembles: dict[str, dict] = field(default_factory=dict)
    cases: dict[str, Cases] = field(default_factory=dict)
    within: pd.Series | None = None


@dataclass(frozen=True)
class Statistics:
    """The tables below `results/stats/<study>/`, by their names in `store.tables`, and what was found."""

    tables: Tables
    results: StudyResults


@dataclass(frozen=True)
class Basis:
    """The inputs, in order, and what several parts need of them."""

    given: StudyInputs

    @cached_property
    def everyone(self) -> list[str]:
        """Models and ensembles."""
        return list(dict.fromkeys(model for model, _ in self.given.predictions))

    @cached_property
    def models(self) -> list[str]:
        return [model for model in self.everyone if model not in self.given.ensembles]

    @cached_property
    def trained(self) -> Predictions:
        return {key: table for key, table in self.given.predictions.items() if key[0] in self.models}

    @cached_property
    def seeds(self) -> int:
        return len({seed for _, seed in self.given.predictions})

    @cached_property
    def first(self) -> pd.DataFrame:
        return next(iter(self.given.predictions.values()))

    @cached_property
    def labels(self) -> multilabel.Labels | None:
        if not artifacts.is_multilabel(self.first):
            return None
        least = self.given.settings["min_patients"]
        return multilabel.known_labels(self.first, self.given.classes, least, self.given.within)

    @property
    def has_label(self) -> bool:
        """Whether there is a label to judge by; always where an image has one class."""
        return self.labels is None or bool(self.labels.counted.any())

    def judge(self, predictions: Predictions) -> pd.DataFrame:
        """Return the competence of every (model, seed)."""
        if self.labels is None:
            return judge_checkpoints(predictions, len(self.given.classes), self.given.settings)
        return self.judge_labels(predictions, self.labels)[0]

    def judge_labels(self, predictions: Predictions, labels: multilabel.Labels) -> tuple[pd.DataFrame, ...]:
        """Return the competence of every (model, seed), where images have several labels, and what it is made of."""
        return multilabel.judge_checkpoints(
            predictions, labels, self.given.settings, self.given.study, self.given.within
        )

    def fall_within(self, models: Sequence[str]) -> dict | None:
        """Return by how much the macro AUROC of models falls within a source; None where nothing tells."""
        given = self.given
        if self.labels is None or given.within is None:
            return None
        of = {key: table for key, table in self.trained.items() if key[0] in models}
        return multilabel.fall_within(of, self.labels, given.within, given.settings, given.study)

    @cached_property
    def checkpoints(self) -> pd.DataFrame:
        found = self.judge(self.given.predictions)
        keys = list(zip(found["model"], found["seed"], strict=True))
        if self.labels is None:
            areas = classification.auroc(self.given.predictions)
            found = found.assign(auroc=[areas[key] for key in keys])
        errors = classification.calibration_error(self.given.predictions)
        return found.assign(calibration_error=[errors[key] for key in keys])

    @cached_property
    def quality(self) -> dict[str, Model]:
        return model_means(self.checkpoints, self.models)

    @cached_property
    def scores(self) -> pd.DataFrame:
        return scores_in_order(compact(self.given.scores), self.given.methods, self.everyone)

    @cached_property
    def per_seed(self) -> pd.DataFrame:
        return seed_group_means(self.scores)

    @cached_property
    def missing(self) -> pd.DataFrame:
        return count_missing(self.scores)

    @property
    def order(self) -> list[str]:
        return [*self.given.methods, *BEATABLE, *YARDSTICKS]

    @cached_property
    def metrics(self) -> pd.DataFrame:
        level = self.given.settings["interval"]
        return metrics_table(group_means(self.per_seed), self.missing, level, self.order, self.everyone, self.per_seed)

    @cached_property
    def better(self) -> dict[str, dict[str, str]]:
        named = self.metrics[["family", "metric"]].drop_duplicates().groupby("family", sort=False)["metric"]
        return {family: {metric: better(family, metric) for metric in of} for family, of in named}

    @cached_property
    def design(self) -> Design:
        return Design(
            models=[model for model in self.models if self.quality[model].competent],
            methods=list(self.given.methods),
            primary=self.given.primary,
            controls={name: family.judged for name, family in FAMILIES.items() if family.judged},
            lower=frozenset((f, m) for f, found in self.better.items() for m, way in found.items() if way == "lower"),
            settings=self.given.settings,
        )

    @cached_property
    def gathered(self) -> Gathered:
        return gather(self.scores, self.per_seed, self.metrics, self.design)


def judge_checkpoints(predictions: Predictions, classes: int, settings: dict) -> pd.DataFrame:
    """Return the competence of every (model, seed), with the images and groups that it is based on."""
    rows = []
    for (model, seed), table in predictions.items():
        result = judge(
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


def refusals(scores: pd.DataFrame, methods: Sequence[str], models: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return method -> model -> code of why, of the models that a method does not support: none of their maps was
    made."""
    rows = scores[scores["method"].isin(methods)]
    kept = rows.groupby(["method", "model"], observed=True)["value"].count()
    requested = list(filter(is_unsupported, rows["reason"].cat.categories))
    first = rows[rows["reason"].isin(requested)].groupby(["method", "model"], observed=True)["reason"].first()
    found: dict = {}
    for key in [key for key in product(methods, models) if key in first.index and kept[key] == 0]:
        found.setdefault(key[0], {})[key[1]] = str(first[key])
    return found


def _families(basis: Basis) -> tuple[StudyResults, Tables]:
    """The study, who is competent, and the verdicts of each family: what the other parts add to."""
    given, settings = basis.given, basis.given.settings
    chance = multilabel.CHANCE if basis.labels is not None else 1 / basis.first["label"].nunique()
    within = settings["within"] if given.within is not None else None
    auroc = f"macro AUROC within each {within}" if within else "macro AUROC"
    measure = {"measure": auroc, "within": within} if basis.labels is not None else {}
    reason = None if basis.has_label else NO_LABEL_COUNTED.code
    results = StudyResults(
        study=given.study,
        images_test=len(basis.first),
        groups_test=int(basis.first["group"].nunique()),
        groups=Groups(settings["group_kind"], settings.get("split_by"), settings.get("patients_known")),
        methods=tuple(given.methods),
        seeds=Seeds(basis.seeds, basis.seeds),
        **{name: settings[name] for name in ("alpha", "interval", "test", "power")},
        models=basis.quality,
        families=basis.gathered.families,
        folds=given.folds,
        classes=len(given.classes),
        setting=given.setting,
        competence=Competence(chance, chance + settings["competence_margin"], reason=reason, **measure),
        labels=basis.labels and basis.labels.stated(),
        cases=given.cases,
        refused=refusals(basis.scores, given.methods, basis.models),
        better=basis.better,
        agreement=by_family(basis.scores, basis.design.models, given.methods, given.primary),
    )
    described = {"metrics": basis.metrics, "missing": in_order(basis.missing, basis.order, basis.everyone)}
    results = replace(results, combined=combined(results))
    return results, basis.gathered.tables | described


def _classification(basis: Basis, results: StudyResults) -> tuple[dict, Tables]:
    given, settings = basis.given, basis.given.settings
    tables = {
        "models": basis.checkpoints,
        "confusion": classification.confusion(given.predictions, given.classes),
        "roc": classification.roc(given.predictions, given.classes),
        "calibration": classification.calibration(given.predictions),
    }
    if basis.labels is not None:
        judged = basis.judge_labels(given.predictions, basis.labels)
        tables |= {"labels": judged[1], "multilabel": judged[2]}
    confidence = classification.confidence(given.predictions, settings["interval"], given.study, settings["seed"])
    return {"confidence": confidence}, tables


def _splits(basis: Basis, results: StudyResults) -> tuple[dict, Tables]:
    """The same models on a random split, and what others report."""
    given, settings, found = basis.given, basis.given.settings, basis.checkpoints
    random = basis.judge(given.compared) if given.compared else found[:0]
    able = bool(given.compared) and basis.has_label
    beside = found[found["model"].isin(basis.models)] if able else found[:0]
    comparison = comparison_table(beside, random if able else random[:0], split_name(settings))
    published = {name: reported for name, reported in settings["published"].items() if reported}
    own = {split_name(settings): found} | ({RANDOM: random} if given.compared else {})
    judged = {split: pd.concat([own[split], basis.judge(answers)]) for split, answers in given.simple.items()}
    table = published_table(published, judged, basis.everyone)
    fields = {"comparison": compare_splits(comparison, basis.models), "published": explain_published(published, table)}
    return fields, {"comparison": comparison, "published": table}


def _cue(basis: Basis, results: StudyResults) -> tuple[dict, Tables]:
    given = basis.given
    if not given.shortcut:
        return {}, {}
    label = list(given.classes).index(given.shortcut["label"] or given.classes[-1])
    table = cue_table(basis.trained, basis.scores, given.cue, label, given.methods, given.settings)
    cue = relations.summarize_cue(table, given.shortcut, given.classes, given.methods, given.settings)
    return {"cue": cue}, {"cue": table}


def _claims(basis: Basis, results: StudyResults) -> tuple[dict, Tables]:
    given, gathered = basis.given, basis.gathered
    cue = _cue(basis, results)[1].get("cue")
    checked = claims.check(given.settings["claims"], gathered, results, basis.design, cue, basis.fall_within)
    rows, findings = claims.check_compound(
        given.settings["findings"], basis.scores, basis.per_seed, results, basis.design
    )
    table = pd.DataFrame([*checked, *rows])
    stated = records(table.astype({"groups": "Int64"})) if len(table) else []
    return {"claims": tuple(Claim(**row) for row in stated), "findings": findings}, {"claims": table}


def _relations(basis: Basis, results: StudyResults) -> tuple[dict, Tables]:
    given, design = basis.given, basis.design
    covariates = correlations.covariates(basis.trained, given.shapes, given.classes)
    table = correlations.relations(
        basis.scores, covariates, given.methods, design.models, given.primary, given.settings
    )
    found = accuracy_and(
        given.study,
        basis.checkpoints,
        basis.per_seed,
        given.methods,
        design.models,
        given.primary,
        given.settings,
    )
    return {"accuracy_relations": found}, {"relations": table}


def _ensembles(basis: Basis, results: StudyResults) -> tuple[dict, Tables]:
    given = basis.given
    if not given.ensembles:
        return {}, {}
    made = judge_ensembles(
        given.ensembles,
        model_means(basis.checkpoints, list(given.ensembles)),
        given.predictions,
        basis.per_seed,
        study=given.study,
        classes=len(given.classes),
        design=basis.design,
    )
    return {"ensembles": made}, {}


Part = Callable[[Basis, StudyResults], tuple[dict, Tables]]
PARTS: tuple[Part, ...] = (_classification, _splits, _cue, _claims, _relations, _ensembles)


def evaluate(given: StudyInputs) -> Statistics:
    """Make all statistics of a study.

    Raises:
        ValueError: a primary metric or a method has no scores.
    """
    basis = Basis(given)
    _check_names(basis.scores, given.methods, given.primary)
    results, tables = _families(basis)
    for part in PARTS:
        fields, more = part(basis, results)
        results, tables = replace(results, **fields), tables | more
    return Statistics(tables, replace(results, **statements_of(results, tables)))


def statements_of(results: StudyResults, tables: Tables) -> dict[str, Statement | tuple[Statement, ...]]:
    """Return the statements that follow from results and their tables, as fields of the results."""
    made = [*general.statements(results), *verdicts.statements(results)]
    made += [*relations.statements(tables["relations"], results), *general.published(results)]
    made += relations.cue_statements(tables["cue"], results) if results.cue else []
    setting = [general.setting(results.setting, kind) for kind in ("setting.full", "setting.short")]
    answer = tuple(verdicts.answer(results))
    return {"in_short": verdicts.in_short(results), "answer": answer, "statements": (*setting, *made)}


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
