"""Whether a verdict hangs on the scores that are missing: every verdict again, with those counted as the worst."""

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from heatproof.stats.analysis import Compared, compare_one
from heatproof.stats.design import Design
from heatproof.stats.groups import seed_group_means
from heatproof.stats.judge import words_of
from heatproof.stats.worst_rank import worst_ranked

NONE = "none"


@dataclass(frozen=True)
class Worst:
    """A comparison beside the one in which missing scores are the worst; `lost` counts them by model."""

    main: Compared
    again: Compared
    lost: dict[str, int]


def worst_compared(scores: pd.DataFrame, compared: Iterable[Compared], design: Design) -> dict[tuple[str, str], Worst]:
    """Comparisons again, with scores without a value counted as the worst, by (family, method).

    A map that is constant or all zero failed; leaving it out of a mean flatters its model.

    Args:
        scores: scores of images, as `groups.compact` gives them.
        compared: the primary metric of each family and method.

    Returns:
        Nothing of a method where no score that was to be had is missing.
    """
    found = {}
    for one in compared:
        seen = design.seen(one.family)
        of = scores[(scores["family"] == one.family) & (scores["metric"] == one.metric)]
        own = (of["method"] == one.method) & of["model"].isin(seen.models)
        worst, replaced = worst_ranked(of[own], lower_is_better=(one.family, one.metric) in design.lower)
        if replaced:
            beside = pd.concat([worst, of[~own]])
            again = compare_one(seed_group_means(worst), beside, one.family, one.metric, one.method, seen)
            found[one.family, one.method] = Worst(one, again, _lost(of[own], worst))
    return found


def sensitivity(worst: Iterable[Worst], design: Design) -> pd.DataFrame:
    """Every verdict beside the one that counts scores without a value as the worst: `stats_tables.SENSITIVITY`."""
    rows: list[dict] = []
    for found in worst:
        one, seen = found.main, design.seen(found.main.family)
        main, other = words_of(one, seen), words_of(found.again, seen)
        for question, subject in dict.fromkeys([*main, *other]):
            said, would = (words.get((question, subject), NONE) for words in (main, other))
            names = {"family": one.family, "metric": one.metric, "method": one.method}
            names |= {"question": question, "subject": subject}
            names["missing"] = sum(found.lost.get(name, 0) for name in _models(subject, one, found.again))
            rows.append(names | {"main": said, "worst_rank": would, "changed": said != would})
    return pd.DataFrame(rows)


def _models(subject: str, *compared: Compared) -> list[str]:
    """The model, or both models, that a verdict speaks of; a name may hold a dash itself."""
    pairs = {f"{a} - {b}": [a, b] for one in compared for a, b in zip(one.pairs["a"], one.pairs["b"], strict=True)}
    return pairs.get(subject, [subject])


def _lost(scores: pd.DataFrame, worst: pd.DataFrame) -> dict[str, int]:
    """Model -> scores that were counted as the worst."""
    filled = scores["value"].isna().to_numpy() & worst["value"].notna().to_numpy()
    return {str(model): int(count) for model, count in scores.loc[filled, "model"].value_counts().items()}
