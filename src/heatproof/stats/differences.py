"""Whether the models differ: one rule for headline and sentences, from Friedman's test and the pairs together."""

from heatproof.stats.words import counted, plain, shown, shown_p, unit, units

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
