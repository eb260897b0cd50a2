"""The rules that turn the numbers of tests into verdicts, all in one place, and what a study compares;
`stats.sentences` puts them in words."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pandas as pd

from heatproof.stats.sentences.words import counted, plain, shown, shown_p, unit, units


@dataclass(frozen=True)
class Design:
    """Who is compared with whom, by which metrics, and how."""

    models: Sequence[str]
    methods: Sequence[str]
    primary: dict[str, str]  # family -> the one metric that verdicts rest on
    controls: dict[str, Sequence[str]]  # family -> the controls that a heatmap has to beat
    lower: frozenset[tuple[str, str]]  # (family, metric) of which a low value is good
    settings: dict  # section `stats`
    blind: dict[str, frozenset[str]] = field(default_factory=dict)  # family -> models that it gives no verdict on

    def margin(self, metric: str) -> float:
        """The difference below which nobody would care, in the metric's own units."""
        margins = self.settings["margin"]
        return margins.get(metric, margins["default"])

    def seen(self, family: str) -> "Design":
        """The same without the models that the family gives no verdict on."""
        return replace(self, models=[model for model in self.models if model not in self.blind.get(family, ())])

    def is_primary(self, family: str, metric: str) -> bool:
        return self.primary.get(family) == metric


NO_VERDICT = "no verdict"
QUASI_F = "quasi_f"  # the test over all models against the variance between seeds


def control_level(alpha: float, models: int) -> float:
    """Return the alpha of the question about controls: all of it where there is no second model to compare."""
    return alpha / 2 if models > 1 else alpha


def levels(alpha: float, models: int, controls: pd.DataFrame) -> tuple[float, float]:
    """The alpha of the question about controls, and that of the question about differences.

    Args:
        models: how many are compared.
        controls: rows of (model, control) as `against_controls` gives them at half of alpha, with `verdict`.
    """
    if controls.empty:
        return alpha, alpha  # no control to beat: the second question has all of it
    first = control_level(alpha, models)
    return first, alpha if settled(controls) else first


def settled(controls: pd.DataFrame) -> bool:
    """Whether every model is better than all its controls or worse than some."""
    return bool(controls.groupby("model")["verdict"].agg(lambda found: (found != "unclear").any()).all())


def by_model(controls: pd.DataFrame) -> dict[str, str]:
    """Model -> `better` than all its controls, `worse` than some, else `unclear`."""
    found = {}
    for model, rows in controls.groupby("model", sort=False):
        seen = set(rows["verdict"])
        found[model] = "better" if seen == {"better"} else "worse" if "worse" in seen else "unclear"
    return found


def told_apart(pairs: pd.DataFrame, p_omnibus: float | None, alpha: float) -> pd.DataFrame:
    """The pairs that can be told apart: none where the test over all models does not reject. Two models have no such
    test, and the pair stands alone."""
    if p_omnibus is not None and not p_omnibus <= alpha:
        return pairs[:0]
    return pairs[pairs[p_column(pairs)] <= alpha]


def p_column(pairs: pd.DataFrame) -> str:
    """The corrected p that verdicts read: against the variance between seeds where there is one."""
    return "p_seeds" if pairs["p_seeds"].notna().any() else "p_corrected"


def equivalent(pairs: pd.DataFrame, alpha: float) -> pd.DataFrame:
    """The pairs whose difference is smaller than the margin: two one-sided tests, Holm over pairs.

    These hold the checkpoints fixed, also where there are seeds enough to speak of architectures.
    """
    return pairs[pairs["p_equivalent"] <= alpha]


def within_seeds(pairs: pd.DataFrame, spread: dict[str, float]) -> pd.DataFrame:
    """Of some pairs, those whose means lie closer together than the means of the seeds of either model.

    Args:
        spread: model -> the largest difference between the means of its seeds.
    """
    of_seeds = pairs[["a", "b"]].map(lambda model: spread.get(model, 0.0)).min(axis=1).astype(float)
    return pairs[pairs["difference"].abs() < of_seeds]


def separates(truth: pd.DataFrame) -> dict[str, bool]:
    """Model -> whether the metric tells the truth from a random map on its images: without that, no verdict on
    localization, and a remark on what else is judged.

    Args:
        truth: rows as `against_controls` gives them of the truth in the place of a heatmap; none where it is not
            scored.
    """
    return {model: verdict == "better" for model, verdict in by_model(truth).items()}


def most(found: Sequence[str], verdict: str) -> bool:
    """Whether more than half of some verdicts are `verdict`."""
    return sum(one == verdict for one in found) > len(found) / 2


TEST_NAMES = {"friedman": "Friedman's test", "rm_anova": "Repeated-measures ANOVA", "quasi_f": "Quasi-F"}
MOST = 4  # pairs that a sentence names


def verdict(summary: dict, family: str, method: str) -> str:
    """The comparison of the models in one sentence without its full stop.

    Pairs are looked at only where the test over all models rejects. Two models have the pair alone.
    """
    omnibus, pairs = summary["omnibus"][family][method], summary["pairs"][family][method]
    alpha = summary["shares"][family][method]["models"]
    if omnibus["levels"] < 2:
        return "Only one model takes part, so there is nothing to compare"
    if not pairs["tested"]:
        return f"The models cannot be compared: none of the {unit(summary)} has a value for every model"
    who = "architectures" if summary["population"][family][method] == "architectures" else "models"
    if pairs["different"] and pairs["tested"] == 1:
        return f"The two {who} differ: {_largest(pairs)}"
    if pairs["different"]:
        apart = f"{pairs['different']} of {pairs['tested']} pairs can be told apart"
        return f"The {who} differ: {apart}; the largest difference is {_largest(pairs)}"
    if omnibus["p"] is not None and omnibus["p"] <= alpha:
        return f"As a set the {who} differ, but no single pair can be told apart"
    if pairs["smallest_p"] > alpha:
        return f"There are too few {unit(summary)} to tell whether the {who} differ"
    return f"No difference between {who} could be shown, which does not mean that they are the same"


def tests(summary: dict, family: str, method: str) -> list[str]:
    """The tests that a verdict rests on, what is small, and what was too small to find anything."""
    omnibus, pairs = summary["omnibus"][family][method], summary["pairs"][family][method]
    texts: list[str] = []
    held = ", of these checkpoints" if summary["population"][family][method] == "architectures" else ""
    if not pairs["tested"]:
        return texts
    groups, in_pairs = units(omnibus["groups"], unit(summary)), units(pairs["groups"], unit(summary))
    metric, alpha = plain(summary["primary"][family]["metric"]), summary["shares"][family][method]["models"]
    if omnibus["p"] is not None:
        texts.append(
            f"{TEST_NAMES[omnibus['test']]} of {metric} over {omnibus['levels']} models: {_statistic(omnibus)}, "
            f"{shown_p(omnibus['p'])}, {groups}; at most {alpha:g} counts here."
        )
    if top := pairs["largest"]:
        of = "The largest difference" if pairs["tested"] > 1 else "The difference"
        corrected = ", Holm-corrected" if pairs["tested"] > 1 else ""
        sign = 1 if top["difference"] > 0 else -1
        texts.append(f"{of} has rank-biserial {sign * top['effect']:.2f}, {shown_p(top[pairs['p']])}{corrected}.")
    if pairs["equivalent"]:
        texts.append(
            f"Smaller than {pairs['margin']:g}, the margin below which nobody would care, "
            f"{_are(pairs['equivalent'])} (two one-sided tests{held})."
        )
    if pairs["within_seeds"]:
        texts.append(f"Smaller than between the seeds of either model {_are(pairs['within_seeds'])}.")
    if pairs["smallest_p"] > alpha:
        texts.append(
            f"{in_pairs} {'is' if pairs['groups'] == 1 else 'are'} too few for Holm over "
            f"{counted(pairs['tested'], 'pair')} to find anything: "
            f"the smallest corrected p that can be reached is {pairs['smallest_p']:.2f}."
        )
    elif pairs["different"] < pairs["tested"] and pairs["detectable"] is not None:
        texts.append(
            f"With {units(pairs['detectable_groups'], unit(summary))} a difference of {shown(pairs['detectable'])} "
            f"would be found {summary['power']:.0%} of the time; smaller ones may be there unseen."
        )
    if omnibus["dropped"]:
        texts.append(
            f"{omnibus['dropped']} of {units(omnibus['groups'] + omnibus['dropped'], unit(summary))} "
            f"{'was' if omnibus['dropped'] == 1 else 'were'} left out of the test over all models, because not every "
            f"model has a value there; pairs are compared where both have."
        )
    return texts


def _statistic(omnibus: dict) -> str:
    """The test's own numbers."""
    if omnibus["test"] == "friedman":
        freedom = f"{omnibus['df1']:.0f} degrees of freedom"
        return f"chi-square {omnibus['statistic']:.1f}, {freedom}, Kendall's W {omnibus['effect']:.2f}"
    return f"F {omnibus['statistic']:.1f} on {omnibus['df1']:.1f} and {omnibus['df2']:.1f} degrees of freedom"


def _are(pairs: list[list[str]]) -> str:
    """`is the difference between a and b`, `are the differences between a and b, and c and d`."""
    named = [f"{a} and {b}" for a, b in pairs[:MOST]]
    named += [f"{len(pairs) - MOST} more"] if len(pairs) > MOST else []
    return f"{'is the difference' if len(pairs) == 1 else 'are the differences'} between {'; '.join(named)}"


def _largest(pairs: dict) -> str:
    """`b over a by 0.10`: the pair with the largest difference of those that can be told apart.

    The test is on ranks: where they point the other way than the mean, that is said.
    """
    top = pairs["largest"]
    high, low = (top["a"], top["b"]) if top["difference"] > 0 else (top["b"], top["a"])
    told = f"{high} over {low} by {shown(abs(top['difference']))}"
    if top["effect"] * top["difference"] < 0:
        told += f" in the mean, which a few large differences carry: by ranks, which the test uses, {low} is ahead"
    return told
