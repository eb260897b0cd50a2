"""What is said of a planted cue, against predictions and scores drawn at random."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from heatproof.stats.sentences import words
from heatproof.stats.sentences.relations import cue_numbers
from scipy import stats
from stats.reading import NAMES, NUMBER, Rules, below, flipped, holm, named, near

from heatproof.catalogue.controls import BEATABLE, CONTROLS
from heatproof.report import words as report_words
from heatproof.report.sections import relations as report
from heatproof.stats.claims.cue import SIGNS, cue_table, shows_cue
from heatproof.stats.tables.groups import compact

ALPHA = 0.05
METRIC = {words.plain(name): name for name in SIGNS}
CONTROL = {words.control_name(name, "localization"): name for name in BEATABLE}
DASH = "–"
rule = Rules()


@dataclass(eq=False)
class Planted:
    """Test images with and without the cue, what models answer, and scores of their heatmaps.

    Attributes:
        images: columns image_id, group, label, cue.
        answers: columns model, seed, image_id, predicted.
        scores: as `artifacts.SCORES`, with family.
    """

    images: pd.DataFrame
    answers: pd.DataFrame
    scores: pd.DataFrame
    models: list[str]
    methods: list[str]
    marked: int
    shortcut: dict
    settings: dict
    trained: bool

    @property
    def classes(self) -> list[str]:
        return ["clear", "dull", "dark"][: self.images["label"].max() + 1]

    @cached_property
    def table(self) -> pd.DataFrame:
        answers = self.answers.merge(self.images, on="image_id")
        predictions = {key: of.reset_index(drop=True) for key, of in answers.groupby(["model", "seed"], sort=False)}
        cue = self.images.set_index("image_id")["cue"]
        return cue_table(predictions, compact(self.scores), cue, self.marked, self.methods, self.settings)

    @cached_property
    def numbers(self) -> dict:
        setting = {"epochs": {model: int(self.trained) for model in self.models}}
        return cue_numbers(
            self.table, self.shortcut, self.classes, self.methods, self.settings, "patients", setting=setting
        )

    def accuracy(self, model: str, agrees: bool, seed: int | None = None) -> float:
        """Mean over classes with images on both sides, then over seeds; NaN without such a class."""
        table = self.answers[self.answers["model"] == model].merge(self.images, on="image_id")
        table = table[table["seed"] == seed] if seed is not None else table
        side = table["cue"] == (table["label"] == self.marked)
        both = set(table["label"][side]) & set(table["label"][~side])
        found = [of for of in both for of in [table[(table["label"] == of) & (side == agrees)]]]
        return float(np.mean([(of["predicted"] == of["label"]).mean() for of in found])) if found else np.nan

    def interval(self, model: str) -> tuple[float, float]:
        row = self.table[(self.table["model"] == model) & (self.table["method"] == "") & self.table["seed"].isna()]
        return row["low"].item(), row["high"].item()

    def relies(self, model: str) -> bool | None:
        low, high = self.interval(model)
        fall = self.accuracy(model, True) - self.accuracy(model, False)
        assert np.isnan(low) or low <= fall + 1e-9 <= high + 2e-9
        return None if np.isnan(low) else low > 0

    @cached_property
    def sides(self) -> dict[tuple[str, str, str], np.ndarray]:
        """(model, method, metric) -> means [groups, with and without the cue] of the groups that have a difference."""
        facts = self.images.set_index("image_id")[["group", "label", "cue"]].T.to_dict("list")
        values: dict = {}  # of each key, by group, seed, class and whether the cue is there
        for row in self.scores.itertuples():
            group, label, cue = facts[row.image_id]
            of = values.setdefault((row.model, row.method, row.metric), {})
            if np.isfinite(row.value):
                of.setdefault((group, row.seed), {}).setdefault(label, {}).setdefault(cue, []).append(row.value)
        found, seeds = {}, self.scores["seed"].nunique()
        for key, of in values.items():
            by_group: dict = {}
            for (group, _), classes in of.items():
                pairs = [
                    [np.mean(sides[cue]) for cue in (True, False)] for sides in classes.values() if len(sides) == 2
                ]
                if pairs:
                    by_group.setdefault(group, []).append(np.mean(pairs, axis=0))
            whole = [np.mean(means, axis=0) for means in by_group.values() if len(means) == seeds]
            found[key] = np.array(whole).reshape(-1, 2)
        return found

    def differences(self, model: str, method: str, metric: str) -> np.ndarray:
        values = self.sides[model, method, metric]
        return (values[:, 0] - values[:, 1]).round(12)

    @cached_property
    def verdicts(self) -> dict[tuple[str, str, str], str]:
        """(model, method, metric) -> verdict, of those with a value; metrics that are there for no map have none."""
        known = {key for key, values in self.sides.items() if len(values)}
        found = {}
        for model in self.models:
            for own in (True, False):
                family = [k for k in known if k[0] == model and (k[1] in self.methods) == own]
                moved = {key: SIGNS[key[2]] * self.differences(*key) for key in family}
                p = holm({key: self.p(of) for key, of in moved.items()})
                small = holm({key: below(of, self.margin(key[2])) for key, of in moved.items()})
                for key, of in moved.items():
                    up = p[key] <= ALPHA and of.mean() > 0 and ranks(of) > 0
                    found[key] = ("faint" if small[key] <= ALPHA else "shown") if up else None
                    found[key] = found[key] or ("hidden" if small[key] <= ALPHA else "unclear")
        return found

    def p(self, differences: np.ndarray) -> float:
        if self.settings["test"] == "friedman":
            return flipped(differences)
        if len(differences) < 2 or np.ptp(differences) < 1e-11:
            return 2.0 ** (1 - len(differences)) if abs(differences[0]) > 1e-11 else 1.0
        return stats.ttest_1samp(differences, 0).pvalue

    def margin(self, metric: str) -> float:
        return self.settings["margin"].get(metric, self.settings["margin"]["default"])

    def named(self, model: str, verdict: str) -> dict[str, set[str]]:
        """Method -> metrics by which its heatmaps of a model have this verdict."""
        found = {}
        for (of, method, metric), word in self.verdicts.items():
            if of == model and word == verdict and method in self.methods:
                found.setdefault(method, set()).add(metric)
        return found

    def relying(self) -> list[str]:
        return [model for model in self.models if self.relies(model)]


def ranks(differences: np.ndarray) -> float:
    moved = differences[differences != 0]
    return float(np.sign(moved) @ stats.rankdata(np.abs(moved)))


def with_interval(text: str, values: tuple[float, float, float]) -> bool:
    """`0.34 [0.30, 0.38]` or `0.34`."""
    numbers = re.findall(NUMBER, text.replace("−", "-"))
    assert len(numbers) == (1 if np.isnan(values[1]) else 3)
    return all(near(number, value) for number, value in zip(numbers, values, strict=False))


RATE = r"(?P<{}>\d+%|under 1%|over 99%)"


def is_share(text: str, share: float) -> bool:
    if text in ("under 1%", "over 99%"):
        return 0 < share < 0.01 if text == "under 1%" else 0.99 < share < 1
    return near(text[:-1], 100 * share) and (text not in ("0%", "100%") or share in (0, 1))


# sentences


@rule(
    rf"A mark that is not disease was planted into {RATE.format('rate')} of the images of class (?P<label>\w+) and "
    rf"into {RATE.format('other')} of all others(?: that models were trained on; in the test images into "
    rf"{RATE.format('tested')} of (?:(?P<every>every class, so that it tells nothing there)|that class and "
    rf"{RATE.format('untested')} of the others))?\."
)
def _(told, found):
    rate, tested = told.shortcut["rate"], told.shortcut["test_rate"]
    assert is_share(found["rate"], rate) and is_share(found["other"], 1 - rate)
    assert found["label"] == told.classes[told.marked]
    assert (tested is None) == (found["tested"] is None) and bool(found["every"]) == (tested == 0.5)
    assert tested is None or is_share(found["tested"], tested)
    assert found["untested"] is None or is_share(found["untested"], 1 - tested)


ACCURACIES = (
    rf" \(balanced accuracy (?P<agrees>{NUMBER}) where it agrees with the class, (?P<conflicts>{NUMBER}) where it "
    rf"conflicts; difference (?P<fall>.*)\)\."
)


@rule(rf"(?P<who>As trained here, |For these checkpoints, )(?P<model>\w+) relies on the mark{ACCURACIES}")
def _(told, found):
    assert told.relies(found["model"]) is True
    assert found["who"].startswith("As trained") == told.trained
    accuracies(told, found)


@rule(rf"That (?P<model>\w+) relies on the mark could not be shown{ACCURACIES}")
def _(told, found):
    assert told.relies(found["model"]) is False
    accuracies(told, found)


def accuracies(told, found):
    agrees, conflicts = (told.accuracy(found["model"], side) for side in (True, False))
    assert near(found["agrees"], agrees) and near(found["conflicts"], conflicts)
    assert with_interval(found["fall"], (agrees - conflicts, *told.interval(found["model"])))


@rule(r"Whether (?P<model>\w+) relies on the mark cannot be told: (?P<why>.*)\.")
def _(told, found):
    assert told.relies(found["model"]) is None
    table = told.images.assign(agrees=told.images["cue"] == (told.images["label"] == told.marked))
    sides = table.groupby("label")["agrees"].nunique()
    both = table[table["label"].isin(sides.index[sides == 2])]
    if not len(both):
        assert found["why"] == "no class has images where the cue agrees and where it conflicts"
        return
    assert found["why"] == "a class has images of fewer than two groups"
    assert both.groupby(["label", "agrees"])["group"].nunique().min() < 2


@rule(r"The mark in the heatmaps of (?P<model>\w+)(?P<need>, which need not show it)?: (?P<parts>.*)\.")
def _(told, found):
    says = {
        "it shows in": "shown",
        "it shows by less than would matter in": "faint",
        "that it shows by as much as would matter is ruled out for": "hidden",
        "whether it shows is open for": "unclear",
    }
    seen = {}
    for part in found["parts"].split("; "):
        head, rest = re.fullmatch(rf"({'|'.join(says)}) (.*)", part).groups()
        assert says[head] not in seen
        listed = re.findall(r"(\w+) \(([^)]*)\)", rest)
        assert words.joined([f"{method} ({metrics})" for method, metrics in listed]) == rest
        seen[says[head]] = {method: {METRIC[name] for name in named(metrics)} for method, metrics in listed}
    true = {word: told.named(found["model"], word) for word in says.values()}
    assert seen == {word: of for word, of in true.items() if of}
    assert bool(found["need"]) == (told.relies(found["model"]) is False)


@rule(
    r"Heatmaps of images with the mark were held against those of images of the same class without it, within "
    r"(?P<low>\d+) patients?(?: to (?P<high>\d+) patients?)?, after Holm's correction over the methods and metrics of "
    r"a model\."
)
def _(told, found):
    sizes = [len(values) for values in told.sides.values() if len(values)]
    assert (int(found["low"]), int(found["high"] or found["low"])) == (min(sizes), max(sizes))
    for number in re.findall(r"(\d+) patient\b", found.string):
        assert number == "1"


@rule(
    rf"A control that knows nothing of the (?P<of>model|image) shows it(?P<too> too)?, "
    rf"(?P<control>{'|'.join(map(re.escape, CONTROL))}), by (?P<parts>.*): (?P<why>the mark itself changes that map|"
    rf"there the difference is one of the images, and says nothing of a model)\."
)
def _(told, found):
    control = CONTROL[found["control"]]
    pairs = re.findall(rf"([\w ]+?) \(({NAMES})\)", re.sub(r"(?<=\))(?:, | and )", ";", found["parts"]))
    true = {}
    for (model, method, metric), word in told.verdicts.items():
        if method == control and word in ("shown", "faint"):
            true.setdefault(metric, set()).add(model)
    assert {METRIC[metric]: set(named(models)) for metric, models in pairs} == true
    assert (found["of"] == "image") == (control == "other_image")  # that is a heatmap of the model
    assert found["why"].startswith("the mark") == (control == "edges")  # all others know nothing of the image
    assert bool(found["too"]) == any(told.named(m, word) for m in told.models for word in ("shown", "faint"))


# the claim


@rule(
    r"no model surely relies on the mark(?:; at most accuracy is (?P<most>.*) higher where it agrees with the class "
    r"\((?P<model>\w+)\))?"
)
def _(told, found):
    assert not told.relying()
    falls = {m: told.accuracy(m, True) - told.accuracy(m, False) for m in told.models}
    assert bool(found["model"]) == any(np.isfinite(fall) for fall in falls.values())
    if found["model"]:
        fall = falls[found["model"]]
        assert fall == pytest.approx(np.nanmax(list(falls.values())))
        assert with_interval(found["most"], (fall, *told.interval(found["model"])))


@rule(rf"(?P<models>{NAMES}) surely (?P<rely>rely|relies) on it, but there is no (?P<metric>.*) of (?P<method>\w+)")
def _(told, found):
    assert named(found["models"]) == told.relying()
    assert found["rely"] == ("relies" if len(told.relying()) == 1 else "rely")
    keys = [(m, found["method"], METRIC[found["metric"]]) for m in told.relying()]
    assert not any(len(told.sides.get(key, [])) for key in keys)


@rule(
    r"of the models that surely rely on the mark, whether (?P<method>\w+) shows this one by (?P<metric>.*), as the "
    r"difference between images with and without it: (?P<parts>.*)"
)
def _(told, found):
    metric, seen = METRIC[found["metric"]], set()
    for part in found["parts"].split("; "):
        model, word, rest, groups = re.fullmatch(r"(\w+) (\w+) \((.*), (\d+) patients?\)", part).groups()
        key = (model, found["method"], metric)
        differences = told.differences(*key)
        assert word == told.verdicts[key] and int(groups) == len(differences) and model in told.relying()
        assert ("patients" in part) == (len(differences) != 1)
        assert with_interval(rest, (differences.mean(), *ends(differences)))
        seen.add(model)
    assert seen == {m for m in told.relying() if len(told.sides[m, found["method"], metric])}


def ends(differences: np.ndarray) -> tuple[float, float]:
    """Student's interval of the mean."""
    if len(differences) < 2:
        return np.nan, np.nan
    half = stats.sem(differences) * stats.t.ppf(0.975, len(differences) - 1)
    return differences.mean() - half, differences.mean() + half


def check_claim(told: Planted, method: str, metric: str) -> dict:
    """The verdict on the claim that heatmaps may miss the cue, and the numbers of the model that decides."""
    row = shows_cue(told.table, told.models, method, metric, "patients")
    known = [m for m in told.relying() if len(told.sides.get((m, method, metric), []))]
    of = {m: told.verdicts[m, method, metric] for m in known}
    hidden = [m for m in known if of[m] == "hidden"]
    every = known and all(word == "shown" for word in of.values()) and len(known) == len(told.relying())
    assert row["verdict"] == ("supported" if hidden else "contradicted" if every else "undecided")
    if known:
        sizes = {m: abs(told.differences(m, method, metric).mean()) for m in hidden or known}
        decides = told.differences(min(sizes, key=sizes.__getitem__), method, metric)
        assert abs(row["effect"]) == pytest.approx(min(sizes.values())) and row["groups"] == len(decides)
    return row


def check_tables(told: Planted) -> None:
    """The tables of the report: a verdict and a difference in each cell, accuracies of each seed."""
    inputs = SimpleNamespace(models=told.models, methods=told.methods, metric=report_words.metric)
    means = told.table[told.table["seed"].isna()]
    for model in told.models:
        table = report.table(inputs, means[means["model"] == model], model)
        if table is None:
            assert not any(key[0] == model for key in told.sides if key[2] in {k[2] for k in told.verdicts})
            continue
        metrics = [next(m for m in SIGNS if report_words.metric(m).name == name) for name in table.head[1:]]
        for shown, *cells in table.rows:
            method = next((name for name, control in CONTROLS.items() if control.title == shown), shown)
            for metric, cell in zip(metrics, cells, strict=True):
                key = (model, method, metric)
                assert (cell == DASH) == (key not in told.verdicts)
                if cell != DASH:
                    word, _, numbers = cell.partition(": ")
                    differences = told.differences(*key)
                    assert word == told.verdicts[key]
                    assert with_interval(numbers, (differences.mean(), *ends(differences)))
    for model, seed, agrees, conflicts, _, word in report.reliance(inputs, told.table).rows:
        one = None if seed == "mean" else int(seed)
        for text, side in ((agrees, True), (conflicts, False)):
            value = told.accuracy(model, side, one)
            assert text == DASH if np.isnan(value) else near(text, value)
        assert one is not None or (word == "relies") == (told.relies(model) is True)


@cache
def draw(number: int) -> Planted:
    rng = np.random.default_rng(number)
    models, methods = ["ann", "bob", "cat"][: rng.integers(1, 4)], ["gradcam", "lrp", "saliency"][: rng.integers(1, 4)]
    groups, each, classes = int(rng.choice([1, 2, 4, 8, 12, 14])), int(rng.integers(2, 7)), int(rng.integers(2, 4))
    seeds, marked = int(rng.integers(1, 3)), int(rng.integers(0, classes))
    rows = [(f"i{g:02d}_{i}", f"p{g:02d}") for g in range(groups) for i in range(each)]
    images = pd.DataFrame(rows, columns=["image_id", "group"])
    mixed = rng.random() < 0.3
    by_group = np.repeat(np.arange(groups) % classes, each)
    images["label"] = rng.integers(0, classes, len(images)) if mixed else by_group
    images.loc[0, "label"] = classes - 1
    kind = rng.choice(["half", "half", "half", "rare", "never"])  # how often the cue conflicts with the class
    images["cue"] = (images["label"] == marked) ^ (
        rng.random(len(images)) < {"half": 0.5, "rare": 0.1, "never": 0}[kind]
    )
    answers = []
    for model in models:
        cheats, errs = rng.choice([0, 0, 0.5, 1]), rng.choice([0, 0.2, 0.4])
        for seed in range(seeds):
            read, wrong = rng.random(len(images)) < cheats, rng.random(len(images)) < errs
            honest = np.where(wrong, (images["label"] + 1) % classes, images["label"])
            fooled = np.where(
                images["cue"], marked, np.where(images["label"] == marked, (marked + 1) % classes, honest)
            )
            one = pd.DataFrame({"image_id": images["image_id"], "predicted": np.where(read, fooled, honest)})
            answers.append(one.assign(model=model, seed=seed))
    metrics = [name for name in ("inside_cue", "outside_body", "relevance_rank_accuracy") if rng.random() < 0.6]
    controls = [name for name in ("random", "center", "edges", "other_image") if rng.random() < 0.5]
    noise, ties, parts = rng.choice([0, 0.02, 0.2]), rng.random() < 0.3, []
    for model in models:
        for metric in metrics:
            for method in [*methods, *controls]:
                moves, lost = rng.choice([-0.3, 0, 0, 0.02, 0.05, 0.1, 0.3, 0.4]), rng.choice([0, 0, 0, 0.1, 1])
                for seed in range(seeds):
                    value = 0.4 + moves * images["cue"] + rng.normal(0, noise, len(images))
                    value = (value.round(1) if ties else value).mask(rng.random(len(images)) < lost)
                    one = images[["image_id", "group"]].assign(model=model, method=method, metric=metric, seed=seed)
                    parts.append(one.assign(value=value, reason=np.where(value.isna(), "all_zero", "")))
    columns = ["image_id", "group", "model", "method", "metric", "seed", "value", "reason"]
    scores = pd.concat(parts) if parts else pd.DataFrame(columns=columns)
    scores = scores.assign(family="localization").astype({"seed": "Int64", "value": float}).reset_index(drop=True)
    label = ["clear", "dull", "dark"][marked]
    shortcut = {
        "rate": rng.choice([0.5, 0.9, 0.85, 0.996, 1.0]).item(),
        "test_rate": rng.choice([None, 0.5, 0.3, 1.0]),
        "label": None if marked == classes - 1 and rng.random() < 0.5 else label,
    }
    margin = {"default": 0.05} | ({"outside_body": 0.1} if rng.random() < 0.5 else {})
    settings = {"test": rng.choice(["friedman", "friedman", "rm_anova"]), "alpha": ALPHA, "interval": 0.95}
    settings["margin"] = margin
    return Planted(
        images, pd.concat(answers), scores, models, methods, marked, shortcut, settings, bool(rng.random() < 0.7)
    )


def sentences(told: Planted) -> Iterator[str]:
    yield from told.numbers["sentences"]
    for metric in dict.fromkeys(told.scores["metric"]):
        for method in told.methods:
            yield check_claim(told, method, metric)["evidence"]


@pytest.mark.parametrize("number", [*range(2), *(pytest.param(n, marks=pytest.mark.slow) for n in range(2, 40))])
def test_every_sentence_is_true(number):
    told = draw(number)
    for text in sentences(told):
        rule.check(told, text)
    of = {text.split()[1] if text.startswith(("That", "Whether")) else text for text in told.numbers["sentences"]}
    assert sum("relies on the mark" in text for text in told.numbers["sentences"]) == len(told.models) <= len(of)
    check_tables(told)


def test_the_rules_notice_another_name_and_another_number():
    tried = 0
    for number in range(4):
        told = draw(number)
        texts = list(sentences(told))
        for text in texts:
            names = [*told.models, *told.methods] if "shows it" not in text else told.models
            tried += rule.check_spoiled(told, text, names, texts)
    assert tried > 30
