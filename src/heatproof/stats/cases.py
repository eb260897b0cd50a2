"""Cases of a multilabel study: an image and one of its labels go by one name, for all that lies behind."""

from collections.abc import Collection, Sequence

import pandas as pd

from heatproof import labels


def named(scores: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """Scores with the case in place of `image_id` and without the column `label`."""
    pairs = scores[["image_id", "label"]].drop_duplicates()
    names = {(image, label): labels.case_name(image, classes[label]) for image, label in pairs.itertuples(index=False)}
    ids = [names[pair] for pair in zip(scores["image_id"], scores["label"], strict=True)]
    return scores.assign(image_id=ids).drop(columns="label")


def common(scores: pd.DataFrame, models: Collection[str]) -> tuple[pd.DataFrame, dict[str, dict[str, int]]]:
    """Scores of the cases that every one of some models has in a family from every seed, and family -> how many are
    `kept` and `left_out`.

    Models that have no score in a family do not count there, and an ensemble, being made of them, is none of `models`.
    Checkpoints may explain different labels of an image (those that they predict), and a mean over other cases is not
    comparable.
    """
    of = scores.loc[scores["model"].isin(models), ["family", "model", "seed", "image_id"]].drop_duplicates()
    trainings = of.fillna({"seed": -1}).groupby("family")[["model", "seed"]].apply(lambda t: len(t.drop_duplicates()))
    having = of.groupby(["family", "image_id"]).size()
    everywhere = having[having == trainings.reindex(having.index.get_level_values("family")).to_numpy()]
    counts = {}
    for family in dict.fromkeys(scores["family"]):
        kept = int((everywhere.index.get_level_values("family") == family).sum())
        counts[family] = {
            "kept": kept,
            "left_out": int((having.index.get_level_values("family") == family).sum()) - kept,
        }
    there = pd.MultiIndex.from_frame(scores[["family", "image_id"]]).isin(everywhere.index)
    return scores[there].reset_index(drop=True), counts


def sentence(counts: dict[str, dict[str, int]]) -> str:
    """What a case is, and how many are left out, from the counts of `common`."""
    left: dict[str, list[str]] = {}
    for family, found in counts.items():
        if found["left_out"]:
            left.setdefault(f"{found['left_out']} of {found['kept'] + found['left_out']}", []).append(family)
    parts = [f"{number} ({', '.join(of)})" for number, of in left.items()]
    text = "Heatmaps are of cases, an image and one of its labels each. Models are compared on the cases that every "
    text += "training explains."
    return text + (
        f" Left out, as some training explains them and another does not: {'; '.join(parts)}." if left else ""
    )


def of_marked_labels(shapes: pd.DataFrame | None, classes: Sequence[str]) -> pd.DataFrame | None:
    """Rows of images for those of their cases whose label is `marked`; None where there are none."""
    if shapes is None or not shapes["marked"].map(len).any():
        return None
    rows = shapes.explode("marked").dropna(subset="marked")
    named = [labels.case_name(i, classes[label]) for i, label in zip(rows["image_id"], rows["marked"], strict=True)]
    return rows.assign(image_id=named).drop(columns="marked").reset_index(drop=True)
