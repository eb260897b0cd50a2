"""How often the tests and the sentences of a study are wrong, over many studies with known truth."""

import numpy as np
import pandas as pd

from bench import many
from bench.simulation import Setting, cells, chunks, complete, expected, wide
from heatproof.stats.tests import omnibus as compare
from heatproof.stats.tests.architectures import MIN_SEEDS, quasi_f, seed_differences, seed_pairs
from heatproof.stats.tests.paired import DECIMALS, equivalent_p
from heatproof.stats.verdicts import rules

ALPHA, LEVEL = 0.05, 0.95
LEAST = 4  # complete groups below which a study is not tested
NAMES = tuple("abcdefgh")


def omnibus(setting: Setting, draws: int, rng: np.random.Generator) -> dict[str, float]:
    """Share of studies in which each test over all models of group means finds a difference.

    Beside heatproof's tests, `lecoutre`: analysis of variance with another correction than Greenhouse and Geisser's.
    """
    found: dict[str, list] = {name: [] for name in (*many.OMNIBUS, "lecoutre")}
    for part in chunks(setting, draws, rng):
        for number, (_, tables) in enumerate(complete(wide(part.images))):
            if tables.shape[1] < LEAST:
                continue
            if number == 0:
                many.check(tables)
            for name, test in many.OMNIBUS.items():
                found[name] += list(test(tables) <= ALPHA)
            found["lecoutre"] += list(many.rm_anova(tables, lecoutre=True) <= ALPHA)
    return {name: float(np.mean(each)) for name, each in found.items()}


def naive(setting: Setting, draws: int, rng: np.random.Generator) -> dict[str, float]:
    """The same of tests that take images for independent: what heatproof does not do."""
    found: dict[str, list] = {name: [] for name in many.OMNIBUS}
    for part in chunks(setting, draws, rng):
        for study in part.images.mean(-1):
            images = study.reshape(-1, study.shape[-1])
            images = images[np.isfinite(images).all(1)]
            for name, test in many.OMNIBUS.items():
                found[name].append(test(images[None])[0] <= ALPHA)
    return {name: float(np.mean(each)) for name, each in found.items()}


def over_seeds(setting: Setting, draws: int, rng: np.random.Generator) -> float:
    """Share of studies in which the quasi-F, against groups and seeds, finds a difference."""
    found = []
    for part in chunks(setting, draws, rng):
        for _, tables in complete(cells(part.images)):
            found += [quasi_f(table)["p"] <= ALPHA for table in tables if len(table) >= LEAST]
    return float(np.mean(found))


def sentences(setting: Setting, draws: int, rng: np.random.Generator, *, test: str = "friedman") -> dict[str, float]:
    """Share of studies with at least one false statement, of pairs alone and of all that a family of tests says.

    Returns:
        pairs: two equal models told apart, or unequal ones the wrong way round, after Holm's correction alone;
        controls: a model said to be better or worse than a control that it is not;
        models: the same of the pairs that are told apart by the rules of `verdicts`, and the sentence that the models
        differ where all are equal; family: any of controls and models; equivalent: two models said to be equivalent
        that are a margin apart, where the margin is the smallest true difference; with_equivalent: any of all.
    """
    effects = expected(setting, np.array(setting.effects))
    a, b = np.triu_indices(len(effects), 1)
    truth = np.sign((effects[a] - effects[b]).round(9))
    apart = np.abs(effects[a] - effects[b])
    margin = apart[truth != 0].min(initial=np.inf)
    beside = np.sign((effects[:, None] - expected(setting, np.array(setting.controls))).round(9))  # [models, controls]
    found: dict[str, list] = {name: [] for name in ("pairs", "controls", "models", "equivalent")}
    for part in chunks(setting, draws, rng):
        every = np.stack([cells(images) for images in (part.images, *part.controls)], -1)
        for number, (_, tables) in enumerate(complete(every)):
            if tables.shape[1] < LEAST:
                continue
            tested = Tested(tables, test)
            if number == 0:
                tested.check()
            wrong = (tested.p_pairs[0] <= ALPHA) & (np.sign(tested.difference) != truth)
            found["pairs"] += list(wrong.any(1))
            said, alpha = tested.controls()
            found["controls"] += list(((said != 0) & (said != beside)).any((1, 2)))
            told = tested.told_apart(alpha)
            false = (told & (np.sign(tested.difference) != truth)).any(1)
            found["models"] += list(false | ((tested.p_omnibus <= alpha) & (truth == 0).all()))
            p = tested.p_equivalent(margin) if np.isfinite(margin) else np.ones(told.shape)
            found["equivalent"] += list(((p <= alpha[:, None]) & (apart >= margin - 1e-9)).any(1))
    each = {name: np.array(values) for name, values in found.items()}
    each["family"] = each["controls"] | each["models"]
    each["with_equivalent"] = each["family"] | each["equivalent"]
    return {name: float(values.mean()) for name, values in each.items()}


def beside_controls(beside: np.ndarray, p: np.ndarray, alpha: float) -> np.ndarray:
    """What is said of models and controls, 1 better, -1 worse [draws, models, controls].

    Args:
        beside: differences [draws, groups, models, controls], and their two-sided p [draws, models, controls].
        alpha: of all models together.
    """
    number = beside.shape[3]
    flat = beside.reshape(*beside.shape[:2], -1).round(DECIMALS)
    mean = np.sign(flat.mean(1))
    side = (mean * (mean == np.sign(many.rank_sum(flat)))).reshape(p.shape)
    good = (side > 0).all(2)
    least = np.where(side < 0, p, 1.0).min(2)
    of_model = np.where(good, p.max(2), np.minimum(1, least * number))
    settled = many.holm_rows(of_model) <= alpha
    made = np.where(good[:, :, None], 1, np.where((side < 0) & (p <= least[:, :, None]), -1, 0))
    return np.where(settled[:, :, None], made, 0)


class Tested:
    """The tests of one family in many studies: `tables` is [draws, groups, models, seeds, 1 + controls], complete.

    The rules of `heatproof.stats.verdicts.rules` and `compare.against_controls` are followed here over all draws at
    once; `check` holds some of them to what those say.
    """

    def __init__(self, tables: np.ndarray, test: str):
        self.tables, self.test = tables, test
        self.heat = tables[..., 0].mean(3)
        self.beside = (tables[..., :1] - tables[..., 1:]).mean(3)  # [draws, groups, models, controls]
        self.architectures = tables.shape[3] >= MIN_SEEDS
        differences = many.pairs(self.heat)
        self.difference = differences.mean(1)
        checkpoints = many.PAIRED[test](differences)
        if self.architectures:
            names = list(NAMES[: self.heat.shape[2]])
            self.p_omnibus = np.array([quasi_f(table)["p"] for table in tables[..., 0]])
            seeds = np.stack([seed_pairs(table, names, LEVEL)["p"] for table in tables[..., 0]])
            self.p_pairs = many.holm_rows(seeds), many.holm_rows(checkpoints)
        else:
            self.p_omnibus = many.OMNIBUS[test](self.heat)
            self.p_pairs = (many.holm_rows(checkpoints),) * 2

    def controls(self) -> tuple[np.ndarray, np.ndarray]:
        """What is said of models and controls, 1 better, -1 worse [draws, models, controls], and alpha for the rest."""
        draws, groups, models, number = self.beside.shape
        flat = self.beside.reshape(draws, groups, -1).round(DECIMALS)
        if self.architectures:
            seeded = self.tables[..., :1] - self.tables[..., 1:]
            p = [
                [[seed_differences(study[:, i, :, j], LEVEL)["p"] for j in range(number)] for i in range(models)]
                for study in seeded
            ]
            p = np.array(p)
        else:
            p = many.PAIRED[self.test](flat).reshape(draws, models, number)
        said = beside_controls(self.beside, p, ALPHA / 2)
        return said, np.where((said != 0).any(2).all(1), ALPHA, ALPHA / 2)

    def told_apart(self, alpha: np.ndarray) -> np.ndarray:
        """Which pairs [draws, pairs] are told apart, where the test over all models rejects, at alpha [draws]."""
        return (self.p_pairs[0] <= alpha[:, None]) & (self.p_omnibus <= alpha)[:, None]

    def p_equivalent(self, margin: float) -> np.ndarray:
        """Holm-corrected p [draws, pairs] of two one-sided tests."""
        differences = many.pairs(self.heat).round(DECIMALS)
        draws, groups, pairs = differences.shape
        flat = differences.transpose(1, 0, 2).reshape(groups, -1)
        return many.holm_rows(equivalent_p(flat, margin).reshape(draws, pairs))

    def check(self) -> None:
        """Hold the first studies to what `against_controls`, `levels` and `told_apart` say of them."""
        many.check(self.heat)
        said, alpha = self.controls()
        told = self.told_apart(alpha)
        names, number = list(NAMES[: self.heat.shape[2]]), self.beside.shape[3]
        a, b = np.triu_indices(len(names), 1)
        for row in range(min(len(said), many.CHECKED)):
            heat = pd.DataFrame(self.heat[row], columns=names)
            tables = {str(c): heat - self.beside[row, :, :, c] for c in range(number)}
            seeded = self.tables[row, ..., :1] - self.tables[row, ..., 1:]
            over = {
                (name, str(c)): seed_differences(seeded[:, i, :, c], LEVEL)
                for i, name in enumerate(names)
                for c in range(number)
            }
            options = {"test": self.test, "over_seeds": over if self.architectures else None}
            of_controls = compare.against_controls(heat, tables, **options)
            of_controls["verdict"] = rules.beats_controls(of_controls, ALPHA / 2)
            words = of_controls["verdict"].map({"better": 1, "worse": -1, "unclear": 0}).to_numpy()
            assert (words.reshape(len(names), number) == said[row]).all(), "another verdict on controls"
            levels = rules.levels(ALPHA, len(names), of_controls)
            assert levels[1] == alpha[row], "another alpha"
            p = {"p_corrected": self.p_pairs[1][row], "p_seeds": self.p_pairs[0][row] if self.architectures else np.nan}
            pairs = pd.DataFrame({"a": a, "b": b} | p)
            apart = rules.pairs_apart(pairs, self.p_omnibus[row], alpha[row])
            assert set(apart.index) == set(np.flatnonzero(told[row])), "other pairs told apart"
