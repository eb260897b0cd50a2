"""Studies drawn at random: few or many groups, ties, scores that are missing, refused or all alike, weak models."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
import pandas as pd
from stats.made import SETTINGS as TESTS

from heatproof.core.statements import Statement
from heatproof.report.inputs import Inputs
from heatproof.stats.results import Cases, Setting, StudyResults
from heatproof.stats.study import Statistics, StudyInputs, evaluate
from heatproof.stats.tests.relations import SHAPE
from heatproof.store import artifacts

METRICS = {  # family -> its primary metric, or one of these
    "localization": ("iou", "iou", "outside_body"),
    "faithfulness": ("srg",),
    "sanity": ("rank_correlation_cascade",),
    "consistency": ("iou_seeds",),
}
LOWER = ("outside_body", "rank_correlation_cascade")
CUE_SIGNS = {"inside_cue": 1, "outside_body": 1, "relevance_rank_accuracy": -1}  # 1: more of it shows the cue
CONTROLS = {"random": 0.3, "center": 0.35, "edges": 0.25, "other_image": 0.3}
CLASSES = ("healthy", "benign", "cyst", "scar", "ill")
EMPTY, TRUTHLESS, REFUSED = "all_zero", "no_truth", "no_rule"
ALPHA, LEVEL, MARGIN, POWER = TESTS["alpha"], TESTS["interval"], TESTS["margin"]["default"], TESTS["power"]
SETTINGS = TESTS | {
    "claims": {},
    "findings": {},
    "published": {},
    "competence_margin": 0.05,
    "min_patients": 5,
    "group_kind": "patient",
    "split_by": "group",
    "patients_known": True,
    "seed": 0,
}


@dataclass(eq=False)
class Study:
    """What was drawn, what the statistics make of it, and the few facts that all checks need."""

    given: StudyInputs

    @cached_property
    def made(self) -> Statistics:
        return evaluate(self.given)

    @property
    def results(self) -> StudyResults:
        return self.made.results

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        return self.made.tables

    @cached_property
    def statements(self) -> list[Statement]:
        found = self.results
        return [*found.statements, *found.answer, found.in_short]

    @cached_property
    def scores(self) -> pd.DataFrame:
        """Those of the primary metrics."""
        primary = pd.MultiIndex.from_tuples(list(self.given.primary.items()))
        return self.given.scores[pd.MultiIndex.from_frame(self.given.scores[["family", "metric"]]).isin(primary)]

    @cached_property
    def models(self) -> list[str]:
        """Those that are trained."""
        return [m for m in dict.fromkeys(m for m, _ in self.given.predictions) if m not in self.given.ensembles]

    @property
    def methods(self) -> Sequence[str]:
        return self.given.methods

    @cached_property
    def seeds(self) -> int:
        return len({seed for _, seed in self.given.predictions})

    @cached_property
    def competent(self) -> list[str]:
        table = self.tables["models"]
        return [model for model in self.models if table.loc[table["model"] == model, "competent"].all()]

    @cached_property
    def by_group(self) -> dict[tuple[str, str, str], pd.Series]:
        """(family, method, model) -> mean by group, over images, then seeds, of groups that have a score in each."""
        found, scores = {}, self.scores.assign(seed=self.scores["seed"].fillna(-1))
        for family, of in scores.groupby("family"):
            means = of.groupby(["method", "model", "group", "seed"])["value"].mean().unstack("seed")
            means = means.dropna().mean(axis=1)
            found |= {(family, *key): each.droplevel([0, 1]) for key, each in means.groupby(["method", "model"])}
        return found

    def mean(self, family: str, method: str, model: str) -> float:
        """Mean over groups, NaN without any."""
        return float(self.by_group.get((family, method, model), pd.Series(dtype=float)).mean())

    def good(self, family: str) -> int:
        """-1 where a low value is good."""
        return -1 if self.given.primary[family] in LOWER else 1

    @cached_property
    def inputs(self) -> Inputs:
        """What a report reads: every image is a test image, every second one has a mask."""
        given, images = self.given, next(iter(self.given.predictions.values()))[["image_id", "group"]]
        truth = np.where(np.arange(len(images)) % 2 == 0, "mask", "none")
        scores = given.scores[given.scores["seed"].fillna(0) == 0]
        first = self.scores[(self.scores["seed"] == 0) & (self.scores["family"] == "localization")]
        first = first[first["method"].isin(given.methods)]
        index = first.assign(row=np.where(first["reason"] == REFUSED, -1, 0), layer="x", grid_height=2, grid_width=2)
        models = list(dict.fromkeys(model for model, _ in given.predictions))
        return Inputs(
            study=given.study,
            models=models,
            seeds=list(range(self.seeds)),
            methods=given.methods,
            folds=["fold0"],
            classes=given.classes,
            manifests={"fold0": images.assign(truth=truth, label=0, split="test")},
            pixels=np.zeros((1, 1, 8, 8), np.uint8),
            masks=np.zeros((1, 8, 8), bool),
            tables=self.tables,
            results=self.results,
            audit=None,
            scores=scores[scores["metric"].isin(list(given.primary.values()))],
            predictions=pd.DataFrame(),
            index={model: index[index["model"] == model] for model in models},
            maps={},
            digest={},
        )


@cache
def draw(number: int, many: bool = False) -> Study:
    """One study; the number is its seed. With `many`, up to eight models and little else."""
    rng = np.random.default_rng(number)

    def likely(share: float) -> bool:
        return bool(rng.random() < share)

    names = [f"net{i}" for i in range(8)] if many else ["ann", "bob", "cat", "dan"]
    models = names[: rng.integers(1, len(names) + 1)]
    methods = ["gradcam", "lrp", "saliency"][: 1 if many else rng.choice([1, 2, 2, 3])]
    seeds = int(rng.choice([1, 2, 2, 5]))
    groups = 4 if many else int(rng.choice([2, 7, 12] if seeds == 5 else [1, 2, 4, 7, 12, 12, 20, 24, 24]))
    planted, several = not many and groups <= 12 and likely(0.5), not many and likely(0.2)
    planted &= not several
    each, more = (
        int(rng.integers(1 + planted, 3 + planted)) if seeds < 5 else 1 + planted,
        30 if many or likely(0.8) else 0,
    )
    classes = list(CLASSES[: 2 if many else rng.integers(2, 6)])
    ensembles = {}
    if not many and likely(0.4):
        ensembles["both"] = {"combine": str(rng.choice(["vote", "mean"])), "models": models}
        ensembles |= {"some": {"combine": "mean", "models": models[:2]}} if likely(0.4) else {}
    every = [*models, *ensembles]
    images = _images(rng, groups + more, each, len(classes))
    marked = int(rng.integers(0, len(classes)))
    clash = rng.choice([0.5, 0.5, 0.5, 0.1, 0])  # how often the cue conflicts with the class
    images["cue"] = (images["label"] == marked) ^ (rng.random(len(images)) < clash)
    truth = (
        rng.random((len(images), len(classes))) < 0.4 if several else np.eye(len(classes), dtype=bool)[images["label"]]
    )
    answered = _answers(rng, images, truth, every, seeds, several, marked if planted else None)
    cases = _cases(images, truth, classes, several)
    shapes = _shapes(rng, cases) if likely(0.7) and not many else None
    primary = {"localization": str(rng.choice(METRICS["localization"]))}
    primary |= {family: METRICS[family][0] for family in list(METRICS)[1:] if likely(0.5)}
    primary = {"faithfulness": "srg"} if many else primary
    metrics = [(family, metric) for family, metric in primary.items()]
    metrics += [
        ("localization", name) for name in CUE_SIGNS if planted and likely(0.6) and primary["localization"] != name
    ]
    scores = _Scores(rng, cases, shapes, answered, methods, seeds).drawn(metrics, every, ensembles, many)
    scores = scores[scores["group"] < f"p{groups:02d}"].reset_index(drop=True)
    rate, tested = rng.choice([0.5, 0.9, 0.996, 1.0]).item(), rng.choice([None, 0.5, 0.3])
    label = None if marked == len(classes) - 1 and likely(0.5) else classes[marked]
    trained = likely(0.7)
    settings = SETTINGS | {"test": str(rng.choice(["friedman", "friedman", "friedman", "rm_anova"]))}
    return Study(
        StudyInputs(
            "drawn",
            {key: table for key, (table, *_) in answered.items()},
            scores,
            classes,
            methods,
            primary,
            settings,
            Setting(
                dict.fromkeys(models, "scratch" if trained else "brought"),
                dict.fromkeys(models, int(trained)),
                8,
                tuple(range(seeds)),
                unstated=() if trained else tuple(models[:1]),
            ),
            shapes=shapes,
            shortcut={"rate": rate, "test_rate": tested, "label": label} if planted else None,
            cue=images.set_index("image_id")["cue"] if planted else None,
            ensembles=ensembles,
            cases={family: Cases(len(cases), int(rng.integers(0, 3))) for family in primary} if several else {},
        )
    )


def _images(rng: np.random.Generator, groups: int, each: int, classes: int) -> pd.DataFrame:
    rows = [(f"i{g:02d}{i}", f"p{g:02d}") for g in range(groups) for i in range(each)]
    images = pd.DataFrame(rows, columns=["image_id", "group"])
    by_group = np.repeat(np.arange(groups) % classes, each)
    images["label"] = rng.integers(0, classes, len(images)) if rng.random() < 0.5 else by_group
    return images


def _answers(rng, images, truth, models, seeds, several, marked) -> dict[tuple[str, int], tuple]:
    """(model, seed) -> predictions; of each case whether the prediction is right, and the confidence."""
    found, known, classes, most = {}, rng.random() < 0.8, truth.shape[1], rng.choice([0, 0.15, 0.15])
    for model in models:
        errs = rng.choice([0, 0, 0.05, 0.1, 0.7]) if marked is not None or len(models) < 5 else rng.uniform(0, most)
        cheats = rng.choice([0, 0, 0.5, 1]) if marked is not None else 0
        for seed in range(seeds):
            if several:
                said = truth ^ (rng.random(truth.shape) < errs / 2)
                p = np.clip(np.where(said, 0.7, 0.3) + rng.normal(0, 0.1, truth.shape), 0, 1)
                table = images[["image_id", "group"]]
                parts = [artifacts.multihot("label", truth), artifacts.multihot("predicted", said)]
                table = pd.concat([table, *parts, pd.DataFrame(p).add_prefix("p_")], axis=1)
                found[model, seed] = table, (truth == said).T.ravel(), p.T.ravel()
                continue
            label, read = images["label"].to_numpy(), rng.random(len(images)) < cheats
            honest = np.where(rng.random(len(images)) < errs, (label + 1) % classes, label)
            if marked is not None:
                fooled = np.where(images["cue"], marked, np.where(label == marked, (marked + 1) % classes, honest))
                honest = np.where(read, fooled, honest)
            p = rng.dirichlet(np.ones(classes), len(images))
            table = images[["image_id", "group", "label"]].assign(predicted=honest)
            table = table.assign(**{f"p_{k}": p[:, k] for k in range(classes)} if known else {})
            found[model, seed] = table, honest == label, p[np.arange(len(p)), label]
    return found


def _cases(images: pd.DataFrame, truth: np.ndarray, classes: Sequence[str], several: bool) -> pd.DataFrame:
    """Columns image_id (the case's, where images have several labels), group, class, cue."""
    if not several:
        return images.rename(columns={"label": "class"})
    parts = [
        images.assign(image_id=[artifacts.case_name(i, name) for i in images["image_id"]], **{"class": k})
        for k, name in enumerate(classes)
    ]
    return pd.concat(parts, ignore_index=True).drop(columns="label")


def _shapes(rng: np.random.Generator, cases: pd.DataFrame) -> pd.DataFrame:
    lesion = rng.random((len(cases), 3)).round(int(rng.choice([1, 6])))
    lesion[rng.random(len(cases)) < rng.choice([0, 0.3])] = np.nan
    if rng.random() < 0.2:
        lesion[:, 1:] = np.nan  # boxes have no shape
    return cases[["image_id"]].assign(**dict(zip(SHAPE, lesion.T, strict=True)))


@dataclass
class _Scores:
    rng: np.random.Generator
    cases: pd.DataFrame
    shapes: pd.DataFrame | None
    answers: dict[tuple[str, int], tuple]
    methods: Sequence[str]
    seeds: int

    def drawn(self, metrics, models, ensembles, many: bool) -> pd.DataFrame:
        rng = self.rng
        self.noise, self.digits = rng.choice([0, 0.03, 0.3]), 1 if rng.random() < 0.3 else 12
        self.refused = {(m, model) for m in self.methods for model in models if not many and rng.random() < 0.12}
        self.lost = {(m, model): rng.choice([0, 0, 0, 0, 0.08, 0.5, 1]) for m in self.methods for model in models}
        self.level = {(m, model): rng.choice([0.1, 0.3, 0.6, 0.9]) for m in self.methods for model in models}
        self.effects = {key: rng.choice([-0.5, 0, 0, 0, 0.5], 4) for key in self.level}
        truths, truthless, related = rng.random() < 0.8, rng.random() < 0.1, rng.random() < 0.4
        parts, way = [], rng.choice([-3, 0, 3, 3])
        for family, metric in metrics:
            controls = {"other_image": 0.4} if family in ("sanity", "consistency") else dict(CONTROLS)
            controls = {
                n: level for n, level in controls.items() if n == "random" or len(controls) == 1 or rng.random() < 0.9
            }
            shift = {key: rng.choice([-0.4, 0, 0.04, 0.4]) * (family == "faithfulness") for key in self.level}
            for model in models:
                if model in ensembles and family == "sanity":
                    continue
                beside = controls | ({"ceiling": rng.choice([0.7, 0.9])} if family == "localization" else {})
                beside |= {"truth": rng.choice([0.3, 0.9])} if family == "faithfulness" and truths else {}
                for method in [*self.methods, *beside]:
                    key = (method, model)
                    level = self.level[key] + shift[key] if key in self.level else beside[method]
                    if many:  # which may go with how well the model classifies
                        level = way * self.answers[model, 0][1].mean() + rng.normal(0, 0.03)
                    moves = rng.choice([-0.3, 0, 0, 0.02, 0.1, 0.3]) if metric in CUE_SIGNS else 0
                    for seed in [pd.NA] if family == "consistency" else range(self.seeds):
                        part = self.part(key, 0 if family == "consistency" else seed, level, moves, related)
                        if truthless and family == "localization":
                            part = part.assign(value=np.nan, reason=TRUTHLESS)
                        if key in self.refused:
                            part = part.assign(value=np.nan, reason=REFUSED)
                        parts.append(part.assign(family=family, metric=metric, method=method, model=model, seed=seed))
        columns = ["family", "metric", "method", "model", "seed", "image_id", "group", "value", "reason"]
        return pd.concat(parts, ignore_index=True).astype({"seed": "Int64"})[columns]

    def part(self, key: tuple[str, str], seed: int, level: float, moves: float, related: bool) -> pd.DataFrame:
        rng, count = self.rng, len(self.cases)
        value = level + rng.normal(0, 1, count) * self.noise + moves * self.cases["cue"].to_numpy()
        if related and (key in self.effects or key[0] == "random"):
            size = np.zeros(count) if self.shapes is None else self.shapes["lesion_area"].fillna(0)
            facts = np.column_stack([*self.answers[key[1], seed][1:], size, self.cases["class"]])
            value = value + facts @ self.effects.get(key, np.array([0, 0, 0.5, 0]))
        gone = rng.random(count) < self.lost.get(key, 0)
        value = np.where(gone, np.nan, value.round(self.digits))
        return self.cases[["image_id", "group"]].assign(value=value, reason=np.where(gone, EMPTY, ""))
