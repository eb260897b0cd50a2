"""What is said of ensembles and their best members, against predictions and scores drawn at random."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from heatproof.stats.sentences import words
from scipy import stats
from sklearn.metrics import f1_score
from stats.reading import NAMES, NUMBER, Rules, named, near

from heatproof.report import words as report_words
from heatproof.report.sections import overview as report
from heatproof.stats.accuracy.competence import ensemble_numbers
from heatproof.stats.tables.groups import compact, seed_group_means
from heatproof.store import artifacts

PRIMARY = {"localization": "iou", "faithfulness": "srg", "sanity": "rank_correlation_cascade"}
LOWER = frozenset({("sanity", "rank_correlation_cascade")})
METRIC = {words.plain(metric): metric for metric in PRIMARY.values()}
COMBINE = {"the majority vote": "vote", "the mean of the probabilities": "mean"}
WAYS = "|".join(METRIC)
rule = Rules()


@dataclass(eq=False)
class Drawn:
    """Predictions and scores of models and of the ensembles that are made of them.

    Attributes:
        predictions: (model, seed) -> as `artifacts.PREDICTIONS`, with group; of several labels where `several`.
        scores: as `artifacts.SCORES`, with family.
        ensembles: name -> combine and models.
    """

    predictions: dict
    scores: pd.DataFrame
    ensembles: dict[str, dict]
    methods: list[str]
    several: bool
    name: str = ""

    @cached_property
    def numbers(self) -> dict[str, dict]:
        return ensemble_numbers(
            self.ensembles,
            {name: {} for name in self.ensembles},
            self.predictions,
            seed_group_means(compact(self.scores)),
            study="drawn",
            classes=3,
            called="micro F1" if self.several else "accuracy",
            methods=self.methods,
            primary=PRIMARY,
            lower=LOWER,
            settings={"interval": 0.95, "seed": 0},
            unit="patients",
        )

    @property
    def members(self) -> list[str]:
        return self.ensembles[self.name]["models"]

    def f1(self, model: str) -> float:
        tables = [table for (of, _), table in self.predictions.items() if of == model]
        pairs = [(artifacts.truth(table, 3), artifacts.predicted(table, 3)) for table in tables]
        return float(np.mean([f1_score(*pair, average="micro", zero_division=0) for pair in pairs]))

    @cached_property
    def groups(self) -> dict[tuple[str, str, str], dict[str, float]]:
        """(family, method, model) -> mean by group, of groups that have a score in every seed."""
        found = {}
        for key, rows in self.scores.groupby(["family", "method", "model"]):
            wide = rows.groupby(["group", "seed"])["value"].mean().unstack("seed")
            found[key] = wide.dropna().mean(axis=1).to_dict()
        return found

    def against_best(self, family: str, method: str) -> tuple[str, np.ndarray, np.ndarray] | None:
        """The best member on the groups of the ensemble, and both scores of the groups that both have."""
        own = self.groups.get((family, method, self.name), {})
        means = {}
        for model in self.members:
            shared = [value for group, value in self.groups.get((family, method, model), {}).items() if group in own]
            if shared:
                means[model] = np.mean(shared) * (-1 if family == "sanity" else 1)
        if not means:
            return None
        best = max(means, key=means.__getitem__)
        other = self.groups[family, method, best]
        both = [group for group in own if group in other]
        if len(both) < 2:
            return None
        return best, np.array([own[group] for group in both]), np.array([other[group] for group in both])

    def compared(self) -> dict[tuple[str, str], str]:
        """(metric, method) -> better, worse, or nothing where the interval of the difference holds zero."""
        found = {}
        for family, metric in PRIMARY.items():
            for method in self.methods:
                if of := self.against_best(family, method):
                    low, high = ends(of[1] - of[2])
                    sign = -1 if family == "sanity" else 1
                    word = "better" if sign * (low + high) > 0 else "worse"
                    found[metric, method] = word if low > 0 or high < 0 else ""
        return found


def ends(differences: np.ndarray) -> tuple[float, float]:
    half = stats.sem(differences) * stats.t.ppf(0.975, len(differences) - 1)
    return differences.mean() - half, differences.mean() + half


@rule(
    rf"(?P<name>\w+) \((?P<how>{'|'.join(COMBINE)}) of (?P<count>\d+) (?P<models>models?)\) has an? "
    rf"(?P<called>accuracy|micro F1) of (?P<own>{NUMBER}), "
    rf"(?P<difference>.*?) (?P<way>above|below|the same as) that of its best member, "
    rf"(?P<member>\w+) \((?P<value>{NUMBER}); (?P<groups>\d+) (?P<unit>patients?)\)(?P<alike>; the two cannot be told "
    rf"apart)?\. It is made of the models, so no test between models includes it\."
)
def _(told, found):
    made, values = told.ensembles[told.name], {model: told.f1(model) for model in told.members}
    assert found["name"] == told.name and COMBINE[found["how"]] == made["combine"]
    assert int(found["count"]) == len(told.members) and (found["models"] == "model") == (len(told.members) == 1)
    assert (found["called"] == "micro F1") == told.several
    assert f"has {'an' if found['called'] == 'accuracy' else 'a'} {found['called']}" in found[0]
    assert near(found["own"], told.f1(told.name)) and near(found["value"], values[found["member"]])
    assert found["member"] == max(values, key=lambda model: round(values[model], 9))  # of equal ones the first
    groups = next(iter(told.predictions.values()))["group"].nunique()
    assert int(found["groups"]) == groups and (found["unit"] == "patient") == (groups == 1)
    difference = told.f1(told.name) - max(values.values())
    numbers = [float(text) for text in re.findall(NUMBER, found["difference"])]
    assert near(re.match(NUMBER, found["difference"])[0], abs(difference))
    if abs(difference) > 1e-9:
        assert (found["way"] == "above") == (difference > 0)
    row = told.numbers[told.name]["against"][0]
    if row["low"] is None:  # too few groups
        assert not numbers[1:] and found["alike"]
        return
    low, high = (row["low"], row["high"]) if difference >= 0 else (-row["high"], -row["low"])
    assert low <= abs(difference) + 1e-9 and abs(difference) <= high + 1e-9
    assert numbers[1:] == pytest.approx([low, high], abs=0.006)
    assert bool(found["alike"]) == (low <= 0 <= high)


@rule(r"The heatmaps of (?P<name>\w+) have no score to compare with its members'\.")
def _(told, found):
    assert found["name"] == told.name and not told.compared()


MANY = r"of (?P<count>\d+) (?P<plural>comparisons?) of a metric and method, none corrected for the others\."


def counted(told: Drawn, found: re.Match) -> None:
    assert found["name"] == told.name and int(found["count"]) == len(told.compared())
    assert (found["plural"] == "comparison") == (found["count"] == "1")


@rule(rf"The heatmaps of (?P<name>\w+) could be told apart from its best member's in none {MANY}")
def _(told, found):
    counted(told, found)
    assert not any(told.compared().values())


@rule(rf"Held against the best member of each, the heatmaps of (?P<name>\w+) are (?P<parts>.*); {MANY}")
def _(told, found):
    counted(told, found)
    said = {}
    part = rf"(better|worse) in ({WAYS}) by ({NAMES}?)(?=(?:,| and) (?:better|worse)|$)"
    for way, metric, methods in re.findall(part, found["parts"]):
        for method in named(methods):
            assert (METRIC[metric], method) not in said
            said[METRIC[metric], method] = way
    assert said == {key: way for key, way in told.compared().items() if way}


def check_table(told: Drawn) -> None:
    """The rows of the report: both values, their difference with its interval, and how an ensemble is made."""
    inputs = SimpleNamespace(
        summary={"ensembles": told.numbers, "interval": 0.95, "groups": {"kind": "patient"}},
        metric=lambda name: report_words.metric(name, "lower" if name == PRIMARY["sanity"] else "higher"),
    )
    made = report.make_ensembles(inputs)
    for name, text in made.made:
        assert text.startswith(f"of {words.joined(told.ensembles[name]['models'])}; ")
        assert ("majority" in text) == (told.ensembles[name]["combine"] == "vote")
    seen = set()
    for name, called, member, own, value, difference, groups in made.table.rows:
        told.name = name
        found = re.fullmatch(r"(.*) of (\w+) \((higher|lower) is better\)", called)
        if not found:
            assert near(own, told.f1(told.name)) and near(value, told.f1(member))
            continue
        family = next(f for f, metric in PRIMARY.items() if report_words.metric(metric).name == found[1])
        assert (found[3] == "lower") == (family == "sanity")
        best, one, other = told.against_best(family, found[2])
        assert member == best and int(groups) == len(one)
        assert near(own.replace("−", "-"), one.mean()) and near(value.replace("−", "-"), other.mean())
        numbers = re.findall(NUMBER, difference.replace("−", "-"))
        true = [(one - other).mean(), *ends(one - other)]
        assert all(near(text, number) for text, number in zip(numbers, true, strict=True))
        seen.add((told.name, PRIMARY[family], found[2]))
    every = set()
    for name in told.ensembles:
        told.name = name
        every |= {(told.name, *key) for key in told.compared()}
    assert seen == every


def sentences(told: Drawn) -> Iterator[str]:
    for name, row in told.numbers.items():
        told.name = name
        yield from row["sentences"]


@cache
def draw(number: int) -> Drawn:
    rng = np.random.default_rng(number)
    models, methods = ["ann", "bob", "cat"][: rng.integers(1, 4)], ["gradcam", "lrp"][: rng.integers(1, 3)]
    groups, each, seeds, several = int(rng.choice([1, 3, 8, 20])), 3, int(rng.integers(1, 3)), bool(rng.random() < 0.3)
    images = pd.DataFrame([(f"i{g:02d}{i}", f"p{g:02d}") for g in range(groups) for i in range(each)])
    images.columns = ["image_id", "group"]
    ensembles = {"both": {"combine": str(rng.choice(["vote", "mean"])), "models": models}}
    if rng.random() < 0.4:
        ensembles["some"] = {"combine": "mean", "models": models[:2]}
    truth = rng.random((len(images), 3)) < 0.5 if several else np.eye(3, dtype=bool)[rng.integers(0, 3, len(images))]
    predictions, errs = {}, rng.choice([0, 0.2, 0.5])
    for model in [*models, *ensembles]:
        wrong = errs + rng.choice([0, 0.3])
        for seed in range(seeds):
            table, missed = images.copy(), rng.random(len(images)) < wrong
            if several:
                guess = truth ^ (rng.random(truth.shape) < wrong)
                table = pd.concat(
                    [table, artifacts.multihot("label", truth), artifacts.multihot("predicted", guess)], axis=1
                )
            else:
                label = truth.argmax(1)
                table = table.assign(label=label, predicted=np.where(missed, (label + 1) % 3, label))
            predictions[model, seed] = table
    parts, noise, none = [], rng.choice([0.02, 0.2]), rng.random() < 0.15
    for family in PRIMARY:
        for model in [*models, *([] if family == "sanity" and rng.random() < 0.5 else ensembles)]:
            for method in methods:
                level, lost = rng.choice([0.3, 0.5, 0.6]), 1 if none else rng.choice([0, 0, 0.2, 1])
                for seed in range(seeds):
                    value = level + rng.normal(0, noise, len(images))
                    part = images.assign(family=family, metric=PRIMARY[family], method=method, model=model, seed=seed)
                    value[rng.random(len(images)) < lost] = np.nan
                    parts.append(part.assign(value=value, reason=np.where(np.isnan(value), "constant", "")))
    scores = pd.concat(parts, ignore_index=True).astype({"seed": "Int64"})
    return Drawn(predictions, scores, ensembles, methods, several)


@pytest.mark.parametrize("number", [*range(2), *(pytest.param(n, marks=pytest.mark.slow) for n in range(2, 30))])
def test_every_sentence_is_true(number):
    told = draw(number)
    for text in sentences(told):
        rule.check(told, text)
    check_table(told)


@pytest.mark.slow
def test_the_rules_notice_another_name_and_another_number():
    tried = 0
    for number in range(3):
        told = draw(number)
        for text in sentences(told):
            models = list(dict.fromkeys(model for model, _ in told.predictions))
            tried += rule.check_spoiled(told, text, [*models, *told.methods])
    assert tried > 15
