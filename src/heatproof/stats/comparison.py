"""Accuracy under a random split beside that under the split of the study: what a random split hides."""

from collections.abc import Sequence

import pandas as pd

from heatproof.stats.summary import number

RANDOM = "random"


def comparison_table(grouped: pd.DataFrame, random: pd.DataFrame, kind: str) -> pd.DataFrame:
    """Both splits of every checkpoint below each other, columns as judged and `split`.

    Args:
        grouped, random: checkpoints as judged on the study's split and on a random one, in one order.
        kind: what the study's split goes by, see `published.split_name`.
    """
    both = pd.concat([random.assign(split=RANDOM), grouped.assign(split=kind)])
    return both.sort_index(kind="stable").reset_index(drop=True)


def comparison_numbers(table: pd.DataFrame, models: Sequence[str]) -> dict | None:
    """Model -> mean over its checkpoints of the balanced accuracy, on either split, and the fall between them.

    `clear` are the models whose fall is more than chance: in every checkpoint the interval of the random split
    lies above that of the grouped one (conservative). None without a comparison.
    """
    if table.empty:
        return None
    found: dict = {"random": {}, "grouped": {}, "fall": {}, "clear": []}
    for model in models:
        of_model = table[table["model"] == model].set_index("seed")
        random, grouped = (of_model[(of_model["split"] == RANDOM) == chosen] for chosen in (True, False))
        means = random["balanced_accuracy"].mean(), grouped["balanced_accuracy"].mean()
        found["random"][model], found["grouped"][model] = map(number, means)
        found["fall"][model] = number(means[0] - means[1])
        if (random["low"] > grouped["high"]).all():
            found["clear"].append(model)
    return found
