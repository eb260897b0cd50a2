"""Whether the models differ: one rule for headline and sentences, from Friedman's test and the pairs together."""

from heatproof.stats.words import counted, plain, shown, shown_p, unit


def verdict(summary: dict, family: str, method: str) -> str:
    """The comparison of the models in one sentence without its full stop.

    Friedman's test over all models and the Holm-corrected pairs need not agree: each of the four cases has its
    own words. Two models have the pair alone.
    """
    omnibus, pairs = summary["omnibus"][family][method], summary["pairs"][family][method]
    if omnibus["models"] < 2:
        return "Only one model takes part, so there is nothing to compare"
    if not pairs["tested"]:
        return f"The models cannot be compared: none of the {unit(summary)} has a value for every model"
    if pairs["different"] and pairs["tested"] == 1:
        return f"The two models differ: {_largest(pairs)}"
    as_a_set = omnibus["p"] is not None and omnibus["p"] <= summary["alpha"]
    if pairs["different"]:
        apart = f"{pairs['different']} of {pairs['tested']} pairs can be told apart"
        although = "" if as_a_set else " although the test over all models does not show a difference"
        differ = "The models differ: " if as_a_set else ""
        return f"{differ}{apart}{although}; the largest difference is {_largest(pairs)}"
    if as_a_set:
        return "As a set the models differ (Friedman), but no single pair can be told apart"
    if pairs["smallest_p"] > summary["alpha"]:
        return f"There are too few {unit(summary)} to tell whether the models differ"
    return "No difference between models could be shown, which does not mean that they are the same"


def between_models(summary: dict, family: str, method: str) -> list[str]:
    """The verdict, the tests that it rests on, and what was too small to find anything."""
    omnibus, pairs = summary["omnibus"][family][method], summary["pairs"][family][method]
    texts = [f"{verdict(summary, family, method)}."]
    if not pairs["tested"]:
        return texts
    if omnibus["p"] is not None:
        metric = plain(summary["primary"][family]["metric"])
        texts.append(
            f"Friedman's test of {metric} over {omnibus['models']} models: chi-square {omnibus['statistic']:.1f}, "
            f"{omnibus['df']:.0f} degrees of freedom, {shown_p(omnibus['p'])}, Kendall's W "
            f"{omnibus['kendall_w']:.2f}, {omnibus['groups']} {unit(summary)}."
        )
    if top := pairs["largest"]:
        of = "The largest difference" if pairs["tested"] > 1 else "The difference"
        corrected = ", Holm-corrected" if pairs["tested"] > 1 else ""
        sign = 1 if top["difference"] > 0 else -1
        texts.append(f"{of} has rank-biserial {sign * top['effect']:.2f}, {shown_p(top['p_corrected'])}{corrected}.")
    if pairs["smallest_p"] > summary["alpha"]:
        texts.append(
            f"{omnibus['groups']} {unit(summary)} are too few for Holm over "
            f"{counted(pairs['tested'], 'pair')} to find anything: "
            f"the smallest corrected p that can be reached is {pairs['smallest_p']:.2f}."
        )
    if omnibus["dropped"]:
        texts.append(
            f"{omnibus['dropped']} of {omnibus['groups'] + omnibus['dropped']} {unit(summary)} were left "
            f"out of the comparison, because not every model has a value there."
        )
    return texts


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
