"""What statements on relations of scores, on accuracy and on a planted cue must hold."""

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from stats.checking import Rules, below, ends, flipped, holm
from stats.generated import ALPHA, CUE_SIGNS, MARGIN, POWER, Study

from heatproof.catalogue.families import BEATABLE
from heatproof.stats.tests.relations import SHAPE
from heatproof.store import artifacts

LEAST = 10  # groups
SAPORTA = {"lesion_area": 1, "lesion_elongation": -1, "lesion_solidity": 1, "confidence": 1}
rule = Rules()


class Related:
    """Rank correlations of the scores with what is known of the cases, worked out case by case."""

    def __init__(self, study: Study):
        self.study, self.classes = study, study.given.classes
        pairs = [f"class:{b} against {a}" for a, b in itertools.combinations(self.classes, 2)]
        of_class = pairs if len(self.classes) <= 4 else [f"class:{name}" for name in self.classes]
        shape = SHAPE if study.given.shapes is not None else ()
        self.names = ["right", *of_class, "confidence", *shape]
        self.several = artifacts.is_multilabel(next(iter(study.given.predictions.values())))
        self.facts = {key: self._facts(table) for key, table in study.given.predictions.items()}
        self.rows = self._rows()

    @classmethod
    def of(cls, study: Study) -> "Related":
        """Made once for a study."""
        if not hasattr(study, "related"):
            study.related = cls(study)
        return study.related

    def _facts(self, table: pd.DataFrame) -> dict[str, dict[str, float]]:
        """Case -> covariate -> value; without those that are not known."""
        shapes = self.study.given.shapes
        lesions = {} if shapes is None else shapes.set_index("image_id").to_dict("index")
        found: dict = {}
        for row in table.to_dict("records"):
            for k, name in enumerate(self.classes):
                if self.several:
                    case = artifacts.case_name(row["image_id"], name)
                    right = row[f"label_{k}"] == row[f"predicted_{k}"]
                elif row["label"] == k:
                    case, right = row["image_id"], row["predicted"] == k
                else:
                    continue
                of = {"right": float(right), "confidence": row.get(f"p_{k}", np.nan)}
                for a, b in itertools.combinations(self.classes, 2):
                    if name in (a, b):
                        of[f"class:{b} against {a}"] = float(name == b)
                of |= {f"class:{other}": float(other == name) for other in self.classes} | lesions.get(case, {})
                found[case] = {fact: value for fact, value in of.items() if np.isfinite(value)}
        return found

    def _rows(self) -> dict[tuple[str, str], dict[tuple[str, str], tuple[int, float, float]]]:
        """(family, method) -> (model, covariate) -> groups with a value, rank correlation and corrected p."""
        found: dict = {}
        for (family, method, model), of in self.study.scores.groupby(["family", "method", "model"]):
            of, names = of.dropna(subset="value"), SHAPE if method == "random" else self.names
            if model in self.study.competent and method in [*self.study.methods, "random"] and len(of):
                for name in names if method != "random" or self.study.given.shapes is not None else ():
                    found.setdefault((family, method), {})[model, name] = self._correlation(of, model, name)
        for of in found.values():
            for key, p in holm({key: p for key, (_, _, p) in of.items() if np.isfinite(p)}).items():
                of[key] = (*of[key][:2], p)
        return found

    def _correlation(self, scores: pd.DataFrame, model: str, name: str) -> tuple[int, float, float]:
        values: dict = {}
        for row in scores.itertuples():
            seed = -1 if pd.isna(row.seed) else row.seed
            own = range(self.study.seeds) if seed < 0 else [seed]
            seen = [of[name] for s in own if name in (of := self.facts[model, s][row.image_id])]
            if seen:
                values.setdefault(row.group, {}).setdefault(seed, []).append((np.mean(seen), row.value))
        every = {seed for of in values.values() for seed in of}
        whole = [np.mean([np.mean(of[s], axis=0) for s in of], axis=0) for of in values.values() if set(of) == every]
        x, y = np.array(whole).reshape(-1, 2).round(12).T
        if len(x) < LEAST or np.ptp(x) == 0 or np.ptp(y) == 0 or self._mirrored(scores, name):
            return len(x), np.nan, np.nan
        return len(x), *stats.spearmanr(x, y)

    def _mirrored(self, scores: pd.DataFrame, name: str) -> bool:
        """Whether only two of many classes have scores, and this is the first of them."""
        cases, facts = set(scores["image_id"]), next(iter(self.facts.values()))
        present = [c for c in self.classes if any(facts[case].get(f"class:{c}") for case in cases)]
        return len(present) == 2 and name == f"class:{present[0]}"


class Of:
    """The relations of one family and method."""

    def __init__(self, study: Study, family: str, method: str):
        self.study, self.related, self.family = study, Related.of(study), family
        self.rows = self.related.rows.get((family, method), {})
        self.common = {"family": family, "method": method, "metric": study.given.primary[family], "unit": "patient"}
        self.common |= {"of": "label"} if self.related.several else {}

    def of(self, name: str) -> dict[str, tuple[float, float]]:
        """Model -> rank correlation and corrected p, where there is one."""
        return {model: row[1:] for (model, one), row in self.rows.items() if one == name and np.isfinite(row[1])}

    def tested(self) -> list[str]:
        return [name for name in self.related.names if self.of(name)]

    def counts(self, name: str) -> tuple[int, int]:
        found = [rho for rho, p in self.of(name).values() if p <= ALPHA]
        return sum(rho > 0 for rho in found), sum(rho < 0 for rho in found)

    def found(self) -> list[str]:
        """Those with a sentence of their own: localization has one on what was published."""
        names = [name for name in self.tested() if any(self.counts(name))]
        return [name for name in names if self.family != "localization" or name not in SAPORTA]

    def silent(self) -> list[str]:
        return [name for name in self.tested() if not any(self.counts(name))]

    def holds(self, names: list[str], ways: dict[str, int] | None = None, **numbers) -> dict:
        rows = []
        for name in names:
            rho = [rho for rho, _ in self.of(name).values()]
            counts = self.counts(name)[:: (ways or {}).get(name, 1)]
            rows.append((len(rho), *counts, *((min(rho), max(rho)) if rho else (None, None))))
        columns = zip(("models", "rises", "falls", "lowest", "highest"), zip(*rows, strict=True), strict=True)
        return self.common | {"covariates": names, "numbers": dict(columns) | numbers}


def of_statement(study, one) -> Of:
    return Of(study, one.one("family"), one.one("method"))


@rule("relations.found", "relations.classes")
def _(study, one):
    told = of_statement(study, one)
    of_class = [name for name in told.found() if name.startswith("class:")]
    if one.kind == "relations.classes":
        return told.holds(of_class)
    (name,) = one.subjects["covariates"]
    assert name in told.found() and name not in of_class
    return told.holds([name])


@rule("relations.as_published")
def _(study, one):
    told = of_statement(study, one)
    assert told.family == "localization" and told.tested()
    ways = {name: way * study.good("localization") for name, way in SAPORTA.items()}
    noise = [rho for rho, _ in Of(study, "localization", "random").of("lesion_area").values()]
    beside = {"noise_low": min(noise), "noise_high": max(noise)} if noise and told.of("lesion_area") else {}
    return told.holds(list(SAPORTA), ways, **beside)


@rule("relations.no_evidence")
def _(study, one):
    told = of_statement(study, one)
    rho = [rho for name in told.silent() for rho, _ in told.of(name).values()]
    groups = [told.rows[model, name][0] for name in told.silent() for model in told.of(name)]
    tests = sum(len(told.of(name)) for name in told.tested())
    # what is detectable is found with this power, by Fisher's z
    detectable = one.numbers["detectable"]
    z = np.arctanh(detectable) / np.sqrt(1.06 / (min(groups) - 3))
    assert stats.norm.sf(stats.norm.isf(ALPHA / tests / 2) - z) == pytest.approx(POWER)
    numbers = {"lowest": min(rho), "highest": max(rho), "fewest": min(groups), "most": max(groups), "tests": tests}
    return told.common | {
        "covariates": told.silent(), "numbers": numbers | {"detectable": detectable, "power": POWER}
    }  # fmt: skip


@rule("relations.unknown")
def _(study, one):
    told = of_statement(study, one)
    assert not told.tested()
    most = max((groups for groups, *_ in told.rows.values()), default=0)
    reason = "no_scores" if not most else "too_few" if most < LEAST else "no_variation"
    return told.common | {"reason": reason, "numbers": {"most": most, "needed": LEAST}}


# accuracy


def points(study: Study, family: str, method: str) -> pd.DataFrame:
    """Balanced accuracy and mean score of every training that has both; a score of no seed has its model's accuracy."""
    checkpoints = study.tables["models"]
    rows, of_model = [], checkpoints.groupby("model")["balanced_accuracy"].mean()
    of = study.scores.query("family == @family and method == @method and model in @study.competent")
    for (model, seed), each in of.groupby(["model", "seed"], dropna=False, sort=False):
        own = checkpoints.query("model == @model and seed == @seed")["balanced_accuracy"]
        accuracy = of_model[model] if pd.isna(seed) else own.item()
        score = each.groupby("group")["value"].mean().mean()
        if np.isfinite(score):
            rows.append((model, accuracy, score))
    return pd.DataFrame(rows, columns=["model", "accuracy", "score"])


def permuted(x: np.ndarray, y: np.ndarray) -> tuple[float, dict[float, float]]:
    """Rank correlation, and the two-sided p of each size that it may have, by all orders of at most 7 models."""
    a, b = stats.rankdata(x), stats.rankdata(y)
    orders = np.array(list(itertools.permutations(b - b.mean())))
    sizes = np.abs(orders @ (a - a.mean()) / np.sqrt(np.sum((a - a.mean()) ** 2) * np.sum((b - b.mean()) ** 2))).round(
        9
    )
    return np.corrcoef(a, b)[0, 1], {size: (sizes >= size).mean() for size in np.unique(sizes)}


@rule(*(f"accuracy.{kind}" for kind in ("too_few", "no_variation", "found", "out_of_reach", "no_evidence")))
def _(study, one):
    family, method = one.one("family"), one.one("method")
    of = points(study, family, method)
    means = of.groupby("model", sort=False).mean().round(12)
    several = of[of.groupby("model")["score"].transform("size") > 1]
    off = (several[["accuracy", "score"]] - several.groupby("model").transform("mean")).round(12)
    numbers = {"models": len(means), "checkpoints": len(several), "needed": 3}
    if len(off) and not (off == 0).all().any():
        numbers["within"] = np.corrcoef(off["accuracy"], off["score"])[0, 1]
    kind = "too_few"
    if len(means) >= 3:
        kind = "no_variation"
    if len(means) >= 3 and (means.nunique() > 1).all():
        rho, numbers = np.corrcoef(*(stats.rankdata(means[c]) for c in means))[0, 1], dict(numbers)
        assert one.numbers["rho"] == pytest.approx(rho)
        if len(means) <= 7:
            rho, sizes = permuted(means["accuracy"].to_numpy(), means["score"].to_numpy())
            p = sizes[min(sizes, key=lambda size: abs(size - abs(rho)))]
            critical = min((size for size, each in sizes.items() if each <= ALPHA), default=None)
            numbers |= {"smallest_p": min(sizes.values())}
        else:  # orders that were drawn at random
            p, critical, least = (one.numbers[name] for name in ("p", "critical", "smallest_p"))
            assert abs(p - stats.spearmanr(means["accuracy"], means["score"]).pvalue) < 0.05 and least < 0.001
            numbers["smallest_p"] = least
        numbers |= {"rho": rho, "p": p} | ({"critical": critical} if critical is not None else {})
        kind = "found" if p <= ALPHA else "out_of_reach" if critical is None else "no_evidence"
    assert one.kind == f"accuracy.{kind}"
    return {"family": family, "method": method, "metric": study.given.primary[family], "numbers": numbers}


# a planted cue


class Planted:
    """What models answer with and without the cue, and the scores of their heatmaps."""

    def __init__(self, study: Study):
        given = self.given = study.given
        self.models, self.table = study.models, study.tables["cue"]
        self.marked = list(given.classes).index(given.shortcut["label"] or given.classes[-1])
        self.sides = self._sides()
        self.verdicts = self._verdicts()

    @classmethod
    def of(cls, study: Study) -> "Planted":
        """Made once for a study."""
        if not hasattr(study, "planted"):
            study.planted = cls(study)
        return study.planted

    def agrees(self, table: pd.DataFrame) -> pd.Series:
        return table["image_id"].map(self.given.cue) == (table["label"] == self.marked)

    def accuracy(self, model: str, agrees: bool, seed: int | None = None) -> float:
        """Mean over classes with images on both sides, then over seeds; NaN without such a class."""
        found = []
        for (of, own), table in self.given.predictions.items():
            if of == model and seed in (None, own):
                side, right = self.agrees(table), table["predicted"] == table["label"]
                both = set(table["label"][side]) & set(table["label"][~side])
                found.append([right[(table["label"] == k) & (side == agrees)].mean() for k in both] or [np.nan])
        return float(np.mean(found))

    def fall(self, model: str) -> tuple[float, float, float]:
        """The fall in accuracy where the cue conflicts, and the interval of the table, which holds it."""
        row = self.table[(self.table["model"] == model) & (self.table["method"] == "") & self.table["seed"].isna()]
        low, high = row["low"].item(), row["high"].item()
        fall = self.accuracy(model, True) - self.accuracy(model, False)
        assert np.isnan(low) or low <= fall + 1e-9 <= high + 2e-9
        return fall, low, high

    def relies(self, model: str) -> bool | None:
        low = self.fall(model)[1]
        return None if np.isnan(low) else bool(low > 0)

    def _sides(self) -> dict[tuple[str, str, str], np.ndarray]:
        """(model, method, metric) -> means [groups, with and without the cue] of the groups that have a difference."""
        labels = next(iter(self.given.predictions.values())).set_index("image_id")["label"]
        scores = self.given.scores.query("family == 'localization' and metric in @CUE_SIGNS and model in @self.models")
        scores = scores[scores["method"].isin([*self.given.methods, *BEATABLE])]
        facts = {"label": scores["image_id"].map(labels), "cue": scores["image_id"].map(self.given.cue)}
        found = {}
        for key, of in scores.assign(**facts).groupby(["model", "method", "metric"], sort=False):
            seeds, by_group = of["seed"].nunique(), {}
            for (group, _), each in of.dropna(subset="value").groupby(["group", "seed"]):
                sides = [
                    [kind.loc[kind["cue"] == c, "value"].mean() for c in (True, False)]
                    for _, kind in each.groupby("label")
                ]
                sides = [pair for pair in sides if np.isfinite(pair).all()]
                if sides:
                    by_group.setdefault(group, []).append(np.mean(sides, axis=0))
            whole = [np.mean(means, axis=0) for means in by_group.values() if len(means) == seeds]
            found[key] = np.array(whole).reshape(-1, 2)
        return found

    def differences(self, key: tuple[str, str, str]) -> np.ndarray:
        return (self.sides[key][:, 0] - self.sides[key][:, 1]).round(12)

    def _verdicts(self) -> dict[tuple[str, str, str], str]:
        """(model, method, metric) -> verdict, of those with a value; metrics that are there for no map have none."""
        found, known = {}, [key for key, values in self.sides.items() if len(values)]
        for model, own in itertools.product(self.models, (True, False)):
            family = [k for k in known if k[0] == model and (k[1] in self.given.methods) == own]
            moved = {key: CUE_SIGNS[key[2]] * self.differences(key) for key in family}
            p = holm({key: self._p(of) for key, of in moved.items()})
            small = holm({key: below(of, MARGIN) for key, of in moved.items()})
            for key, of in moved.items():
                ranks = np.sign(of[of != 0]) @ stats.rankdata(np.abs(of[of != 0]))
                up = p[key] <= ALPHA and of.mean() > 0 and ranks > 0
                found[key] = ("faint" if small[key] <= ALPHA else "shown") if up else None
                found[key] = found[key] or ("hidden" if small[key] <= ALPHA else "unclear")
        return found

    def _p(self, differences: np.ndarray) -> float:
        if self.given.settings["test"] == "friedman":
            return flipped(differences)
        if len(differences) < 2 or np.ptp(differences) < 1e-11:
            return 2.0 ** (1 - len(differences)) if abs(differences[0]) > 1e-11 else 1.0
        return stats.ttest_1samp(differences, 0).pvalue

    def shown(self, model: str, methods: list[str]) -> list[tuple[str, str, str]]:
        """(method, metric, verdict) of a model's heatmaps, in order."""
        keys = itertools.product(methods, CUE_SIGNS)
        rows = [(method, metric, self.verdicts.get((model, method, metric))) for method, metric in keys]
        return [row for row in rows if row[2]]

    def relying(self) -> list[str]:
        return [model for model in self.models if self.relies(model)]


@rule("cue.planted")
def _(study, one):
    shortcut = study.given.shortcut
    numbers = {"rate": shortcut["rate"], "test_rate": shortcut["test_rate"]}
    return {"label": study.given.classes[Planted.of(study).marked], "numbers": numbers}


@rule("cue.relies", "cue.no_evidence", "cue.unknown")
def _(study, one):
    planted, model = Planted.of(study), one.one("models")
    agrees, conflicts = (planted.accuracy(model, side) for side in (True, False))
    fall, low, high = planted.fall(model)
    relies, why = planted.relies(model), None
    assert one.kind == {True: "cue.relies", False: "cue.no_evidence", None: "cue.unknown"}[relies]
    numbers = {"marked": agrees, "unmarked": conflicts, "difference": fall, "low": low, "high": high}
    if relies is None:
        table = next(iter(study.given.predictions.values()))
        table = table.assign(agrees=planted.agrees(table))
        sides = table.groupby("label")["agrees"].nunique()
        both = table[table["label"].isin(sides.index[sides == 2])]
        assert not len(both) or both.groupby(["label", "agrees"])["group"].nunique().min() < 2
        why = "one_group" if len(both) else "no_contrast"
    scope = "trained" if all(study.given.setting.epochs.values()) else "checkpoints"
    numbers = {name: value for name, value in numbers.items() if np.isfinite(value)}
    return {"models": model, "scope": scope, "reason": why, "numbers": numbers}


@rule("cue.heatmaps")
def _(study, one):
    planted, model = Planted.of(study), one.one("models")
    methods, metrics, verdicts = zip(*planted.shown(model, study.methods), strict=True)
    need = "needless" if planted.relies(model) is False else None
    return {"models": model, "methods": methods, "metrics": metrics, "verdicts": verdicts, "reason": need}


@rule("cue.compared")
def _(study, one):
    sizes = [len(values) for values in Planted.of(study).sides.values() if len(values)]
    return {"unit": "patient", "numbers": {"fewest": min(sizes), "most": max(sizes)}}


@rule("cue.control")
def _(study, one):
    planted, control = Planted.of(study), one.one("control")
    cells = [(x, m) for m in planted.models for _, x, word in planted.shown(m, [control]) if word in ("shown", "faint")]
    assert control not in study.methods and cells
    told = {row[2] for model in planted.models for row in planted.shown(model, study.methods)}
    too = "heatmaps_too" if told & {"shown", "faint"} else None
    return {"control": control, "metrics": [x for x, _ in cells], "models": [m for _, m in cells], "reason": too}


def check_claim(study: Study, row: dict, method: str, metric: str) -> None:
    """The verdict on the claim that heatmaps may miss the cue, and the numbers of the model that decides."""
    planted = Planted.of(study)
    relying = planted.relying()
    known = {m: word for m in relying if (word := planted.verdicts.get((m, method, metric)))}
    hidden = [m for m, word in known.items() if word == "hidden"]
    every = known and all(word == "shown" for word in known.values()) and len(known) == len(relying)
    assert row["verdict"] == ("supported" if hidden else "contradicted" if every else "undecided")
    if known:
        differences = {m: planted.differences((m, method, metric)) for m in hidden or known}
        decides = min(differences.values(), key=lambda of: abs(of.mean()))
        assert abs(row["effect"]) == pytest.approx(abs(decides.mean())) and row["groups"] == len(decides)
        assert [row["low"], row["high"]] == pytest.approx(ends(decides), nan_ok=True) or len(hidden or known) > 1
