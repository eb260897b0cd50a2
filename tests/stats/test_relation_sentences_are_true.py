"""What the scores of heatmaps go with, in sentences, against predictions, lesions and scores drawn at random."""

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from heatproof.stats.sentences.relations import sentences
from scipy import stats
from stats.reading import NUMBER, SPAN, Rules, holm, is_p, near, spans

from heatproof.report.sections import relations as report
from heatproof.stats.tables.groups import compact, seed_group_means
from heatproof.stats.tests.accuracy_relation import accuracy_and
from heatproof.stats.tests.relations import SHAPE, covariates, relations
from heatproof.store import artifacts

ALPHA, POWER, LEAST = 0.05, 0.8, 10
CALLED = {"localization": "IoU", "faithfulness": "symmetric relevance gain", "consistency": "IoU between seeds"}
METRIC = f"(?P<metric>{'|'.join(CALLED.values())})"
CLASSES = ["healthy", "benign", "cyst", "scar", "ill"]
WHERE = {
    "where the prediction is right": "right",
    "where the model is surer of the true class": "confidence",
    "where the model is surer of the label": "confidence",
    "where the lesion is larger": "lesion_area",
    "where the lesion is longer than wide": "lesion_elongation",
    "where the lesion has fewer dents": "lesion_solidity",
}
NAMED = {
    "whether the prediction is right": "right",
    "the model's confidence": "confidence",
    "the lesion's size": "lesion_area",
    "the lesion's elongation": "lesion_elongation",
    "the lesion's compactness": "lesion_solidity",
}
LESION = {"its elongation": "lesion_elongation", "its compactness": "lesion_solidity"}  # after another of the lesion
rule = Rules()


@dataclass(eq=False)
class Drawn:
    """Predictions of cases, shapes of lesions and scores.

    Attributes:
        predictions: (model, seed) -> as `artifacts.PREDICTIONS`, with group; of several labels where `several`.
        shapes: columns image_id and `SHAPE`, or None.
        scores: as `artifacts.SCORES`, with family.
        models: all of them, and `competent` those that take part.
    """

    predictions: dict
    shapes: pd.DataFrame | None
    scores: pd.DataFrame
    checkpoints: pd.DataFrame
    classes: list[str]
    models: list[str]
    competent: list[str]
    methods: list[str]
    lower: bool
    several: bool
    settings: dict
    family: str = ""
    method: str = ""

    @property
    def primary(self) -> dict[str, str]:
        return dict.fromkeys(dict.fromkeys(self.scores["family"]), "m")

    @cached_property
    def summary(self) -> dict:
        primary = {family: {"called": CALLED[family], "lower_is_better": self.lower} for family in self.primary}
        task = {"task": "multilabel"} if self.several else {}
        return task | {
            "alpha": ALPHA,
            "interval": 0.95,
            "methods": self.methods,
            "primary": primary,
            "groups": {"kind": "patient"},
        }

    @cached_property
    def table(self) -> pd.DataFrame:
        known = covariates(self.predictions, self.shapes, self.classes)
        return relations(compact(self.scores), known, self.methods, self.competent, self.primary, self.settings)

    @cached_property
    def names(self) -> list[str]:
        pairs = [f"class:{b} against {a}" for a, b in itertools.combinations(self.classes, 2)]
        of_class = pairs if len(self.classes) <= 4 else [f"class:{name}" for name in self.classes]
        return ["right", *of_class, "confidence", *(SHAPE if self.shapes is not None else ())]

    @cached_property
    def facts(self) -> dict[tuple[str, int], dict[str, dict[str, float]]]:
        """(model, seed) -> case -> covariate -> value; without those that are not known."""
        lesions = {} if self.shapes is None else self.shapes.set_index("image_id").to_dict("index")
        found: dict = {}
        for key, table in self.predictions.items():
            for row in table.to_dict("records"):
                for k, name in enumerate(self.classes):
                    if self.several:
                        case, right = (
                            artifacts.case_name(row["image_id"], name),
                            row[f"label_{k}"] == row[f"predicted_{k}"],
                        )
                    elif row["label"] == k:
                        case, right = row["image_id"], row["predicted"] == k
                    else:
                        continue
                    of = {"right": float(right), "confidence": row.get(f"p_{k}", np.nan)}
                    for a, b in itertools.combinations(self.classes, 2):
                        if name in (a, b):
                            of[f"class:{b} against {a}"] = float(name == b)
                    of |= {f"class:{other}": float(other == name) for other in self.classes} | lesions.get(case, {})
                    of = {fact: value for fact, value in of.items() if fact in self.names and np.isfinite(value)}
                    found.setdefault(key, {})[case] = of
        return found

    @cached_property
    def rows(self) -> dict[tuple[str, str], dict[tuple[str, str], tuple[int, float, float]]]:
        """(family, method) -> (model, covariate) -> groups with a value, rank correlation and corrected p."""
        found: dict = {}
        for family, method, model in itertools.product(self.primary, [*self.methods, "random"], self.competent):
            of = self.scores.query("family == @family and method == @method and model == @model").dropna(subset="value")
            for name in self.names if method != "random" else SHAPE:
                if len(of) and name in self.names:
                    found.setdefault((family, method), {})[model, name] = self.correlation(of, model, name)
        for of in found.values():
            known = {key: p for key, (_, _, p) in of.items() if np.isfinite(p)}
            for key, p in holm(known).items():
                of[key] = (*of[key][:2], p)
        return found

    def correlation(self, scores: pd.DataFrame, model: str, name: str) -> tuple[int, float, float]:
        values: dict = {}
        seeds = [seed for of, seed in self.predictions if of == model]
        for row in scores.itertuples():
            own = seeds if pd.isna(row.seed) else [row.seed]
            seen = [self.facts[model, seed][row.image_id] for seed in own]
            seen = [of[name] for of in seen if name in of]
            if seen:
                seed = -1 if pd.isna(row.seed) else row.seed
                values.setdefault(row.group, {}).setdefault(seed, []).append((np.mean(seen), row.value))
        every = {seed for of in values.values() for seed in of}
        whole = [np.mean([np.mean(of[s], axis=0) for s in of], axis=0) for of in values.values() if set(of) == every]
        x, y = np.array(whole).reshape(-1, 2).round(12).T
        if len(x) < LEAST or np.ptp(x) == 0 or np.ptp(y) == 0 or self.mirrored(scores, name):
            return len(x), np.nan, np.nan
        return len(x), *stats.spearmanr(x, y)

    def mirrored(self, scores: pd.DataFrame, name: str) -> bool:
        """Whether only two of many classes have scores, and this is the first of them."""
        cases = set(scores["image_id"])
        facts = next(iter(self.facts.values()))
        present = [c for c in self.classes if any(facts[case].get(f"class:{c}") for case in cases)]
        return len(present) == 2 and name == f"class:{present[0]}"

    def of(self, name: str, noise: bool = False) -> dict[str, tuple[float, float]]:
        """Model -> rank correlation and corrected p, where there is one."""
        rows = self.rows.get((self.family, "random" if noise else self.method), {})
        return {model: row[1:] for (model, one), row in rows.items() if one == name and np.isfinite(row[1])}

    def counts(self, name: str) -> tuple[int, int]:
        found = [rho for rho, p in self.of(name).values() if p <= ALPHA]
        return sum(rho > 0 for rho in found), sum(rho < 0 for rho in found)

    def tested(self) -> list[str]:
        return [name for name in self.names if self.of(name)]

    def tests(self) -> int:
        return sum(len(self.of(name)) for name in self.names)


def rhos(told: Drawn, name: str, noise: bool = False) -> list[float]:
    return [rho for rho, _ in told.of(name, noise).values()]


def clause(told: Drawn, text: str, name: str) -> bool:
    """`higher in 2 and lower in 1 of 5 models ... (rank correlation -0.04 to 0.84)`."""
    found = re.fullmatch(
        rf"(?:higher in (?P<up>\d+))?(?: and )?(?:lower in (?P<down>\d+))? of (?P<of>\d+) (?P<models>models?)"
        rf"(?: where .*)? \(rank correlation (?P<span>{SPAN})\)",
        text,
    )
    assert (int(found["up"] or 0), int(found["down"] or 0)) == told.counts(name) != (0, 0)
    assert int(found["of"]) == len(told.of(name)) and (found["models"] == "model") == (found["of"] == "1")
    return spans(found["span"], rhos(told, name))


def covariate(told: Drawn, text: str) -> str:
    """The covariate that is named `the class b against a` or `whether the prediction is right`."""
    found = re.fullmatch(r"the (class|label) (.*)", text)
    if not found:
        return NAMED[text]
    assert (found[1] == "label") == told.several
    return f"class:{found[2]}"


@rule(rf"{METRIC} is (?P<text>(?:higher|lower) in \d.*(?P<where>{'|'.join(WHERE)}) .*)\.")
def _(told, found):
    name = WHERE[found["where"]]
    assert found["metric"].lower() == CALLED[told.family].lower() and found["metric"][0].isupper()
    assert ("label" in found["where"]) == (told.several and name == "confidence")
    assert clause(told, found["text"], name)


@rule(
    rf"(?P<head>Compared with the other (?:images|cases)|Between (?:classes|labels)), {METRIC} is (?P<parts>for .*)\."
)
def _(told, found):
    assert found["metric"] == CALLED[told.family]
    assert found["head"].endswith(("cases", "labels")) == told.several
    parts = re.split(r"(?<=\))(?:, | and )(?=for the )", found["parts"])
    seen = []
    for part in parts:
        name, text = re.fullmatch(r"for (the (?:class|label) .*?) ((?:higher|lower) in .*)", part).groups()
        seen.append(covariate(told, name))
        assert clause(told, text, seen[-1])
        assert ("against" in name) == found["head"].startswith("Between")  # the others are those of one class
    assert seen == [name for name in told.tested() if name.startswith("class:") and any(told.counts(name))]


@rule(
    rf"Saporta et al\. \(2022\) found Grad-CAM to fall behind people most where lesions are small or of complex shape, "
    rf"and to mark the right place better where the model is confident\. Here (?P<parts>.*?)\.(?: With random noise in "
    rf"the heatmap's place, the rank correlation with size is (?P<noise>{SPAN})\.)?"
)
def _(told, found):
    assert told.family == "localization"
    expected = {"the lesion's size": 1, "its elongation": -1, "its compactness": 1, "the model's confidence": 1}
    seen = []
    for part in re.split(rf"(?:, | and )(?={'|'.join(expected)})", found["parts"]):
        name = next(name for name in expected if part.startswith(name))
        of = (NAMED | LESION)[name]
        seen.append(name)
        if part.endswith("cannot be judged"):
            assert not told.of(of)
            continue
        match = re.fullmatch(
            rf"{name} counts (?:in (?P<none>none)|(?:as they found in (?P<same>\d+))?(?: and )?(?:the other way in "
            rf"(?P<other>\d+))?) of (?P<of>\d+) (?P<models>models?) \(rank correlation (?P<span>{SPAN})\)",
            part,
        )
        up, down = told.counts(of)
        same, other = (up, down) if expected[name] * (-1 if told.lower else 1) > 0 else (down, up)
        assert (int(match["same"] or 0), int(match["other"] or 0)) == (same, other)
        assert bool(match["none"]) == (same == other == 0) and int(match["of"]) == len(told.of(of))
        assert (match["models"] == "model") == (match["of"] == "1") and spans(match["span"], rhos(told, of))
    assert seen == list(expected)
    noise = rhos(told, "lesion_area", noise=True)
    assert bool(found["noise"]) == bool(noise and told.of("lesion_area"))
    assert not found["noise"] or spans(found["noise"], noise)


@rule(
    rf"No relation could be shown in any model with (?P<names>.*) \(rank correlation (?P<span>{SPAN})\), which does "
    rf"not mean that there is none: with (?P<least>\d+)(?: to (?P<most>\d+))? patients and Holm over (?P<tests>\d+) "
    rf"(?P<plural>tests?), only from ±(?P<size>{NUMBER}) on is one found 80% of the time\."
)
def _(told, found):
    texts, names = re.split(r", | and (?=the |its |whether )", found["names"]), []
    for text in texts:
        if text in LESION:  # after another property of the lesion
            assert names and names[-1] in SHAPE
        names.append(LESION[text] if text in LESION else covariate(told, text))
    assert names == [name for name in told.tested() if not any(told.counts(name))] != []
    assert spans(found["span"], [rho for name in names for rho in rhos(told, name)])
    rows = told.rows[told.family, told.method]
    groups = [rows[model, name][0] for name in names for model in told.of(name)]
    assert (int(found["least"]), int(found["most"] or found["least"])) == (min(groups), max(groups))
    assert int(found["tests"]) == told.tests() and (found["plural"] == "test") == (told.tests() == 1)
    rho = float(found["size"])
    z = np.arctanh(np.array([rho - 0.006, rho + 0.006]).clip(-1, 1)) / np.sqrt(1.06 / (min(groups) - 3))
    power = stats.norm.sf(stats.norm.isf(ALPHA / told.tests() / 2) - z)
    assert power[0] <= POWER <= power[1]


@rule(
    rf"What {METRIC} goes with cannot be told: (?:(?P<none>there are no scores)|no model has a score on more than "
    rf"(?P<groups>\d+) patients?, 10 are needed|(?P<alike>nothing varies between them))\."
)
def _(told, found):
    assert not told.tested() and found["metric"] == CALLED[told.family]
    rows = told.rows.get((told.family, told.method), {})
    of = told.scores.query("family == @told.family and method == @told.method and model in @told.competent")
    assert bool(found["none"]) == (not of["value"].notna().any())
    most = max((groups for groups, *_ in rows.values()), default=0)
    assert bool(found["alike"]) == (most >= LEAST)
    assert found["groups"] is None or int(found["groups"]) == most
    assert found["groups"] is None or ("1 patient," in found.string) == (most == 1)


# accuracy


def points(told: Drawn) -> pd.DataFrame:
    """Balanced accuracy and mean score of every training that has both; a score of no seed has its model's accuracy."""
    rows, of_model = [], told.checkpoints.groupby("model")["balanced_accuracy"].mean()
    of = told.scores.query("family == @told.family and method == @told.method")
    for model in told.competent:
        for seed, each in of[of["model"] == model].groupby("seed", dropna=False):
            score = each.groupby("group")["value"].mean().mean()
            own = told.checkpoints.query("model == @model and seed == @seed")["balanced_accuracy"]
            accuracy = of_model[model] if pd.isna(seed) else own.item()
            if np.isfinite(score):
                rows.append((model, accuracy, score))
    return pd.DataFrame(rows, columns=["model", "accuracy", "score"])


def across(told: Drawn) -> pd.DataFrame:
    return points(told).groupby("model", sort=False).mean().round(12)


def permuted(x: np.ndarray, y: np.ndarray) -> tuple[float, dict[float, float]]:
    """Rank correlation, and the two-sided p of each size that it may have; drawn orders from 8 models on."""
    rng, a, b = np.random.default_rng(5), stats.rankdata(x), stats.rankdata(y)
    many = len(x) > 7
    orders = [rng.permutation(b) for _ in range(4000)] if many else list(itertools.permutations(b))
    sizes = np.array([abs(np.corrcoef(a, order)[0, 1]) for order in orders]).round(9)
    return np.corrcoef(a, b)[0, 1], {size: (sizes >= size).mean() for size in np.unique(sizes)}


CANNOT = r"Whether better classifiers have better heatmaps cannot be told from (?P<count>\d+) (?P<models>models?)"
NUMBERS = rf"rank correlation (?P<rho>{NUMBER}), (?P<p>p [<=] [\d.]+)"


def check_numbers(told: Drawn, found: re.Match) -> dict[float, float]:
    """Check rho, p and the number of models."""
    means = across(told)
    rho, sizes = permuted(means["accuracy"].to_numpy(), means["score"].to_numpy())
    p = sizes[min(sizes, key=lambda size: abs(size - abs(rho)))]
    assert near(found["rho"], rho) and int(found["count"]) == len(means) >= 3
    assert is_p(found["p"], p) or drawn_near(told, float(found["p"].split()[-1]), p)
    return sizes


def drawn_near(told: Drawn, number: float, other: float) -> bool:
    """Whether two numbers from orders that were drawn at random are alike; up to 7 models none is."""
    return len(across(told)) > 7 and abs(number - other) < 0.05


@rule(rf"{CANNOT}: (?:(?P<alike>they are alike)|3 with a score are needed)\.")
def _(told, found):
    means = across(told)
    assert int(found["count"]) == len(means) and (found["models"] == "model") == (len(means) == 1)
    assert bool(found["alike"]) == (len(means) >= 3)
    assert not found["alike"] or means["accuracy"].nunique() == 1 or means["score"].nunique() == 1


@rule(
    rf"The better a model classifies, the (?P<way>higher|lower) its heatmaps score \({NUMBERS}, (?P<count>\d+) "
    rf"models\)\."
)
def _(told, found):
    check_numbers(told, found)
    assert float(found["p"].split()[-1]) <= ALPHA and (found["way"] == "higher") == (float(found["rho"]) > 0)


@rule(rf"{CANNOT} \({NUMBERS}; the clearest order of so few has p = (?P<least>[\d.]+)\)\.")
def _(told, found):
    sizes = check_numbers(told, found)
    assert near(found["least"], min(sizes.values())) or drawn_near(told, float(found["least"]), min(sizes.values()))
    assert float(found["least"]) > ALPHA


@rule(
    rf"That better classifiers have better heatmaps, or worse ones, could not be shown \({NUMBERS}\), which does not "
    rf"mean that it is not so: (?P<count>\d+) models show one only from ±(?P<size>{NUMBER}) on\."
)
def _(told, found):
    sizes = check_numbers(told, found)
    least = min(size for size, p in sizes.items() if p <= ALPHA)
    assert near(found["size"], least) or drawn_near(told, float(found["size"]), least)
    assert float(found["p"].split()[-1]) >= ALPHA


@rule(
    rf"Within the models, the deviations of (?P<count>\d+) trainings from their means correlate with "
    rf"(?P<rho>{NUMBER}) \(described, not tested\)\."
)
def _(told, found):
    of = points(told)
    several = of[of.groupby("model")["score"].transform("size") > 1]
    off = several[["accuracy", "score"]] - several.groupby("model").transform("mean")
    assert int(found["count"]) == len(several) and near(found["rho"], np.corrcoef(off["accuracy"], off["score"])[0, 1])


# drawn studies


@cache
def draw(number: int) -> Drawn:
    rng = np.random.default_rng(number)
    models, methods = ["ann", "bob", "cat", "dan"][: rng.integers(1, 5)], ["gradcam", "lrp"][: rng.integers(1, 3)]
    classes, several = CLASSES[: rng.integers(2, 6)], bool(rng.random() < 0.3)
    groups, each, seeds = int(rng.choice([6, 9, 12, 24, 40])), int(rng.integers(1, 3)), int(rng.integers(1, 3))
    names = [(f"i{g:02d}{i}", f"p{g:02d}") for g in range(groups) for i in range(each)]
    images = pd.DataFrame(names, columns=["image_id", "group"])
    present = classes[:2] if rng.random() < 0.2 else classes
    label = rng.integers(0, len(present), len(images))
    known, right = rng.random() < 0.8, rng.choice([1.0, 0.7])
    predictions, known_of = {}, {}  # of cases: whether the prediction is right, and the confidence
    truth = rng.random((len(images), len(classes))) < 0.4  # of several labels
    for model, seed in itertools.product(models, range(seeds)):
        p = rng.dirichlet(np.ones(len(classes)), len(images))
        predicted = np.where(rng.random(len(images)) < right, label, p.argmax(1))
        table = images.copy()
        if several:
            for k in range(len(classes)):
                table[f"label_{k}"], table[f"predicted_{k}"] = truth[:, k], p[:, k] > 0.4
            known_of[model, seed] = (truth == (p > 0.4)).T.ravel(), p.T.ravel()
        else:
            table = table.assign(label=label, predicted=predicted)
            known_of[model, seed] = predicted == label, p[np.arange(len(p)), label]
        predictions[model, seed] = table.assign(**{f"p_{k}": p[:, k] for k in range(len(classes))} if known else {})
    cases = images
    if several:
        parts = [images.assign(image_id=[artifacts.case_name(i, name) for i in images["image_id"]]) for name in classes]
        cases = pd.concat(parts, ignore_index=True)
    shapes = None
    if rng.random() < 0.7:
        lesion = rng.random((len(cases), 3)).round(int(rng.choice([1, 6])))
        lesion[rng.random(len(cases)) < rng.choice([0, 0.3])] = np.nan
        if rng.random() < 0.2:
            lesion[:, 1:] = np.nan  # boxes have no shape
        shapes = cases[["image_id"]].assign(**dict(zip(SHAPE, lesion.T, strict=True)))
    parts, noise, ties = [], rng.choice([0.02, 0.1, 0.5]), rng.random() < 0.2
    for family in [name for name in CALLED if name == "localization" or rng.random() < 0.5]:
        for model, method in itertools.product(models, [*methods, "random"]):
            effects = rng.choice([-1, 0, 0, 0, 1], 4)
            lost = rng.choice([0, 0, 0, 0.2, 1])
            for seed in [pd.NA] if family == "consistency" else range(seeds):
                right, sure = known_of[model, 0 if family == "consistency" else seed]
                size = np.nan_to_num(shapes["lesion_area"].to_numpy()) if shapes is not None else np.zeros(len(cases))
                of_class = np.tile(label / len(classes), len(cases) // len(images))
                value = np.column_stack([right, sure, size, of_class]) @ effects + rng.normal(0, noise, len(cases))
                value = value.round(0) * 0 if ties and method != "random" else value
                gone = rng.random(len(cases)) < lost
                part = cases.assign(family=family, metric="m", method=method, model=model, seed=seed)
                parts.append(part.assign(value=np.where(gone, np.nan, value), reason=np.where(gone, "constant", "")))
    scores = pd.concat(parts, ignore_index=True).astype({"seed": "Int64"})
    accuracy = [(m, s, round(rng.uniform(0.6, 0.9), 2)) for m, s in itertools.product(models, range(seeds))]
    checkpoints = pd.DataFrame(accuracy, columns=["model", "seed", "balanced_accuracy"])
    competent = [model for model in models if rng.random() < 0.85]
    settings = {"alpha": ALPHA, "interval": 0.95, "seed": 0}
    lower = bool(rng.random() < 0.3)
    return Drawn(
        predictions, shapes, scores, checkpoints, classes, models, competent, methods, lower, several, settings
    )


@cache
def draw_many(number: int) -> Drawn:
    """Up to eight models, each with one or two trainings, whose accuracy may go with their scores."""
    rng = np.random.default_rng(number)
    models, seeds = [f"net{i}" for i in range(rng.integers(1, 9))], int(rng.integers(1, 4))
    sign, noise, digits = rng.choice([-1, 0, 1]), rng.choice([0, 0.02, 0.2]), int(rng.choice([1, 6]))
    rows, scores = [], []
    for model in models:
        level, lost = rng.uniform(0.5, 0.9), rng.random() < 0.15
        for seed in range(seeds):
            rows.append((model, seed, round(level + rng.normal(0, 0.02), digits)))
            for group in range(4):
                value = round(sign * rows[-1][2] + rng.normal(0, noise), digits)
                scores.append((f"i{group}", f"p{group}", model, seed, np.nan if lost and group < 3 + seed else value))
    scores = pd.DataFrame(scores, columns=["image_id", "group", "model", "seed", "value"])
    scores = scores.assign(family="faithfulness", metric="m", method="gradcam", reason="").astype({"seed": "Int64"})
    if rng.random() < 0.2:
        scores["seed"] = pd.array([pd.NA] * len(scores), "Int64")
    checkpoints = pd.DataFrame(rows, columns=["model", "seed", "balanced_accuracy"])
    settings = {"alpha": ALPHA, "interval": 0.95, "seed": 0}
    return Drawn({}, None, scores, checkpoints, [], models, models, ["gradcam"], False, False, settings)


def at(study: Drawn, family: str, method: str) -> Drawn:
    study.family, study.method = family, method
    return study


def told_of(study: Drawn) -> Iterator[tuple[Drawn, str]]:
    """Every sentence, with its family and method set in the study."""
    for row in sentences(study.table, study.summary, POWER) if study.predictions else ():
        yield at(study, row["family"], row["method"]), row["text"]
    per_seed = seed_group_means(compact(study.scores))
    found = accuracy_and(
        "s", study.checkpoints, per_seed, study.methods, study.competent, study.primary, study.settings
    )
    for family, methods in found.items():
        for method, row in methods.items():
            text, _, within = row["sentence"].partition(" Within the models")
            yield at(study, family, method), text
            if within:
                yield at(study, family, method), f"Within the models{within}"


def check_whole(study: Drawn) -> None:
    """Every covariate that was tested is in one sentence, whether a relation was found or not."""
    texts: dict = {}
    for row in sentences(study.table, study.summary, POWER):
        texts.setdefault((row["family"], row["method"]), []).append(row["text"])
    for family, method in itertools.product(study.primary, study.methods):
        own, told = texts[family, method], at(study, family, method)
        expected = {"confidence", *SHAPE} if family == "localization" else set()
        found = [name for name in told.tested() if any(told.counts(name)) and name not in expected]
        of_class = any(name.startswith("class:") for name in found)
        silent = any(not any(told.counts(name)) for name in told.tested())
        count = sum(not name.startswith("class:") for name in found) + of_class + silent
        count += family == "localization" and bool(told.tested())
        assert len(own) == (count or 1), own


def check_table(study: Drawn) -> None:
    """The table of the report: range of the rank correlation, and in how many models it rises and falls."""
    inputs = SimpleNamespace(methods=study.methods, summary=study.summary, tables={"relations": study.table})
    for family, method in itertools.product(study.primary, study.methods):
        of = study.table[(study.table["family"] == family) & study.table["rho"].notna()]
        rows = {row[1]: row for row in report._table(inputs, of).rows if row[0] == method}
        told = at(study, family, method)
        for name in told.tested():
            _, _, ends, up, down, groups = rows.pop(report.name(name))
            assert spans(ends.replace("−", "-"), rhos(told, name))
            assert (up, down) == (f"{told.counts(name)[0]} of {len(told.of(name))}", str(told.counts(name)[1]))
            assert spans(groups, [told.rows[family, method][model, name][0] for model in told.of(name)])
        assert not rows


SEEDS = [0, *(pytest.param(n, marks=pytest.mark.slow) for n in range(1, 40))]


@pytest.mark.parametrize("number", SEEDS)
def test_every_sentence_is_true(number):
    study = draw(number)
    for told, text in told_of(study):
        rule.check(told, text, f"{told.family} of {told.method}")
    check_whole(study)
    check_table(study)


@pytest.mark.parametrize("number", SEEDS)
def test_every_sentence_on_accuracy_is_true(number):
    for told, text in told_of(draw_many(number)):
        rule.check(told, text)


@pytest.mark.slow
def test_the_rules_notice_another_name_and_another_number():
    tried = 0
    for study in [*map(draw, range(2)), *map(draw_many, range(4))]:
        for told, text in told_of(study):
            tried += rule.check_spoiled(told, text, [*study.classes[:3], *list(WHERE)[:2]])
    assert tried > 50
