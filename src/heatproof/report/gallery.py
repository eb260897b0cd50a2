"""Heatmaps to look at: the best and the worst cases, every model side by side."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from heatproof.catalogue.families import families_with
from heatproof.report import words
from heatproof.report.inputs import Inputs
from heatproof.report.pictures import enlarged, outlined, overlay, picture, uri

TRUE_REGION = "True region"


@dataclass(frozen=True)
class Cell:
    """One picture. `source` is a data URI, "" where there is no heatmap to draw; `note` tells why, or the score."""

    title: str
    source: str
    alt: str
    note: str
    seen_as: str = ""  # the class that the model chose where it is not the true one


@dataclass(frozen=True)
class Case:
    kind: str  # "Best", "Worst", or "" where no score orders the images
    image_id: str
    group: str
    label: str
    score: float
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Gallery:
    cases: tuple[Case, ...]
    family: str | None  # whose primary metric orders them; None where no score does
    ranked_by: tuple[str, ...]  # the models that the order is averaged over
    method: str
    seed: int
    strip: Case | None = None  # one of the cases by the other methods, of one model
    strip_model: str = ""

    @property
    def outlined(self) -> bool:
        """Whether any case has a true region."""
        return any(cell.title == TRUE_REGION for case in self.cases for cell in case.cells)


def make(inputs: Inputs, count: int) -> Gallery:
    """The `count` cases of the first method and first seed, half best and half worst by the mean score of the
    competent models (of all models where none is), at most one of a patient in each half as long as there are more.

    Localization orders them, or faithfulness where there is no truth.
    """
    method, seed = inputs.lead, inputs.seeds[0]
    ranked_by = tuple(inputs.competent or inputs.models)
    ranking = {f: _scores(inputs, f, method) for f in families_with("rates_maps")}
    family = next((f for f, found in ranking.items() if found["model"].isin(ranked_by).any()), None)
    scores = ranking.get(family, inputs.scores[:0])
    # a mean over some of the models is not comparable with one over all of them
    wide = scores[scores["model"].isin(ranked_by)].pivot(index="image_id", columns="model", values="value")
    whole = wide.dropna()
    if family and whole.empty:  # no image has a value of every model: those of the model that has most
        whole = wide[[wide.notna().sum().idxmax()]].dropna()
    ranked_by = tuple(model for model in ranked_by if model in whole.columns) or ranked_by
    means = whole.mean(axis=1)
    rows = pd.concat(inputs.index.values(), ignore_index=True)
    images = rows[rows["method"] == method].drop_duplicates("image_id").set_index("image_id")["group"]
    if family is None:
        chosen = [("", image) for image in _pick(images, count, ())]
    else:
        lower = inputs.metric(inputs.primary(family)).better == "lower"
        order = means.sort_index().sort_values(ascending=lower, kind="stable")
        best = _pick(images[order.index], count - count // 2, ())
        worst = _pick(images[order.index[::-1]], count // 2, best)
        chosen = [("Best", image) for image in best] + [("Worst", image) for image in reversed(worst)]
    by_cell = scores.set_index(["model", "image_id"])
    cases = tuple(_case(inputs, kind, image, method, means, by_cell) for kind, image in chosen)
    strip = _strip(inputs, cases, family, ranked_by[0])
    return Gallery(cases, family, ranked_by, method, seed, strip, ranked_by[0])


def _strip(inputs: Inputs, cases: Sequence[Case], family: str | None, model: str) -> Case | None:
    """The case that most methods have a map of, the first of equals: the maps of one model by every method."""
    methods = [m for m in inputs.methods if m != inputs.lead and model not in inputs.refused.get(m, {})]
    if not cases or not methods:
        return None
    index = inputs.index[model]
    drawn = index[index["method"].isin(methods) & (index["row"] >= 0) & (index["degenerate"] == "")]
    case = max(cases, key=lambda case: (drawn["image_id"] == case.image_id).sum())
    shown, truth = _pixels(inputs, case.image_id)
    cells = [replace(next(cell for cell in case.cells if cell.title == model), title=inputs.lead)]
    for method in methods:
        by_cell = _scores(inputs, family, method).set_index(["model", "image_id"])
        cell = _heat_cell(inputs, model, case.image_id, method, shown, truth, by_cell)
        cells.append(replace(cell, title=method, alt=f"{cell.alt} by {method}" if cell.alt else "", seen_as=""))
    return replace(case, cells=tuple(cells))


def _scores(inputs: Inputs, family: str | None, method: str) -> pd.DataFrame:
    metric = inputs.primary(family) if family else None
    scores = inputs.scores
    return scores[(scores["metric"] == metric) & (scores["method"] == method) & scores["value"].notna()]


def _pick(ordered: pd.Series, count: int, taken: Sequence[str]) -> list[str]:
    """The first `count` images of `ordered` (image -> group), new groups before a group's second image."""
    free = ordered[~ordered.index.isin(taken)]
    again = free.duplicated()
    first = list(free.index[~again]) + list(free.index[again])
    chosen = set(first[:count])
    return [image for image in free.index if image in chosen]


def _case(inputs: Inputs, kind: str, image: str, method: str, means: pd.Series, scores: pd.DataFrame) -> Case:
    row = inputs.cases.loc[image]
    shown, truth = _pixels(inputs, image)
    label = inputs.decisions[row["label"]]
    cells = [Cell("Image", uri(enlarged(shown)), f"Image {image}, true class {label}", "")]
    if truth.any():
        marked = outlined(enlarged(shown), truth)
        cells.append(Cell(TRUE_REGION, uri(marked), f"Image {image} with the true region outlined", ""))
    for model in inputs.models:
        cells.append(_heat_cell(inputs, model, image, method, shown, truth, scores))
    return Case(kind, image, row["group"], label, float(means.get(image, float("nan"))), tuple(cells))


def _pixels(inputs: Inputs, image: str) -> tuple[np.ndarray, np.ndarray]:
    """An image as a picture, and its true region (empty where there is none)."""
    place, truth = inputs.cases.loc[image, ["place", "truth"]]
    shown = picture(inputs.pixels[place])
    return shown, np.asarray(inputs.masks[place]) if truth != "none" else np.zeros(shown.shape[:2], bool)


def _heat_cell(
    inputs: Inputs,
    model: str,
    image: str,
    method: str,
    shown: np.ndarray,
    truth: np.ndarray,
    scores: pd.DataFrame,
) -> Cell:
    index = inputs.index[model]
    found = index.index[(index["image_id"] == image) & (index["method"] == method)]
    if not len(found):
        return Cell(model, "", "", "no heatmap was made")
    row = index.loc[found[0]]
    label = inputs.cases["label"][image]
    seen_as = "" if row["predicted"] == label else inputs.decisions[row["predicted"]]
    if row["degenerate"] or row["row"] < 0:
        why = words.reason(row["degenerate"]) if row["degenerate"] else "none was made"
        return Cell(model, "", "", f"no heatmap to show: {why}", seen_as)
    heated = overlay(shown, inputs.heat(model, found[0]))
    score = scores.loc[(model, image), "value"] if (model, image) in scores.index else float("nan")
    note = words.number(float(score)) if np.isfinite(score) else "no score"
    return Cell(
        model,
        uri(outlined(enlarged(heated), truth)),
        f"Heatmap of {model} on image {image}",
        note,
        seen_as,
    )
