"""Heatmaps to look at: the best and the worst cases, every model side by side, the true region outlined."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace

import matplotlib
import numpy as np
import pandas as pd
from contourpy import contour_generator
from PIL import Image
from scipy import ndimage

from heatproof.catalogue.families import families_with
from heatproof.report import words
from heatproof.report.inputs import Heatmaps, Inputs
from heatproof.text import numbers
from heatproof.text.words import called

COLORMAP = "inferno"  # perceptually uniform: equal steps of relevance look equal
_LEAST, _MOST = (
    128,
    192,
)  # pixels a side: small images are enlarged by whole steps, large and heavy ones reduced
_HEAT = 0.6  # opacity of the heat
_OUTLINE = (86, 180, 233)
SIDE = 160  # pixels a side of an image that heat is laid over by the browser, at most
TILE, EDGE = 32, 2  # pixels a side of a heatmap in a sprite; and of its edge, repeated so that no neighbour bleeds in
_QUALITY = 65  # of WebP: a grey image of 160 pixels has about 4 kB, a heatmap 200 bytes
_HEAVY = 8_000  # bytes of PNG from which a picture is carried as WebP, which blurs it a little


def picture(pixels: np.ndarray) -> np.ndarray:
    """uint8 [channels, height, width] as uint8 [height, width, 3]."""
    moved = np.moveaxis(np.asarray(pixels), 0, -1)
    return np.repeat(moved, 3, axis=-1) if moved.shape[-1] == 1 else moved


def overlay(picture: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """Lay a heatmap over a picture, its range in this image stretched from 0 to 1.

    Args:
        picture: uint8 [height, width, 3].
        heat: float [height, width], finite and not constant.
    """
    low, high = float(heat.min()), float(heat.max())
    unit = (heat.astype(np.float64) - low) / (high - low)
    colors = matplotlib.colormaps[COLORMAP](unit)[..., :3] * 255
    return np.round((1 - _HEAT) * picture + _HEAT * colors).astype(np.uint8)


def enlarged(picture: np.ndarray) -> np.ndarray:
    """Whole steps up until the picture can be seen, or down until it is light enough to carry."""
    side = max(picture.shape[:2])
    if side > _MOST:
        height, width = (max(1, round(length * _MOST / side)) for length in picture.shape[:2])
        return np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.BOX))
    return np.kron(picture, np.ones((-(-_LEAST // side),) * 2 + (1,), np.uint8))


def outlined(picture: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """The true region's outline, drawn just outside it so that it hides nothing of it."""
    if not truth.any():
        return picture
    height, width = picture.shape[:2]
    resized = Image.fromarray(truth.astype(np.float32)).resize((width, height), Image.Resampling.BOX)
    inside = np.asarray(resized) >= 0.5
    inside = inside if inside.any() else np.asarray(resized) > 0  # a region smaller than a pixel
    picture = picture.copy()
    picture[ndimage.binary_dilation(inside, np.ones((3, 3))) & ~inside] = _OUTLINE
    return picture


def uri(picture: np.ndarray) -> str:
    """PNG of at most 256 colours (a third of the bytes) as a data URI; WebP where that would be heavy."""
    image = Image.fromarray(picture).quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    if buffer.tell() >= _HEAVY:
        return _webp(_reduced(Image.fromarray(picture), _MOST))
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def scale() -> str:
    """The colours of heat from least to most, as a data URI."""
    return uri(overlay(np.full((6, 256, 3), 128, np.uint8), np.tile(np.arange(256.0), (6, 1))))


def photo(picture: np.ndarray) -> str:
    """WebP of at most `SIDE` pixels a side, as a data URI; a small one is enlarged by the browser."""
    return _webp(_reduced(Image.fromarray(picture), SIDE))


def _reduced(image: Image.Image, most: int) -> Image.Image:
    scale = min(1.0, most / max(image.size))
    return image.resize([max(1, round(side * scale)) for side in image.size], Image.Resampling.BOX)


def tile(heat: np.ndarray) -> np.ndarray:
    """A heatmap at the size of a tile, its range there stretched from 0 to 1.

    Args:
        heat: float [height, width], finite.

    Returns:
        float64 [TILE, TILE]; zero where the reduced map is constant.
    """
    small = Image.fromarray(np.asarray(heat, np.float32)).resize((TILE, TILE), Image.Resampling.BOX)
    values = np.asarray(small, np.float64)
    low, high = values.min(), values.max()
    return (values - low) / (high - low) if high > low else np.zeros_like(values)


def sprite(tiles: Sequence[np.ndarray], columns: int) -> str:
    """Tiles in rows of `columns`, coloured, as one WebP in a data URI. Each has an edge of `EDGE` pixels around it."""
    step = TILE + 2 * EDGE
    sheet = np.zeros((-(-len(tiles) // columns) * step, columns * step))
    for place, one in enumerate(tiles):
        row, column = divmod(place, columns)
        sheet[row * step : (row + 1) * step, column * step : (column + 1) * step] = np.pad(one, EDGE, mode="edge")
    return _webp(Image.fromarray(np.round(matplotlib.colormaps[COLORMAP](sheet)[..., :3] * 255).astype(np.uint8)))


def outline_path(truth: np.ndarray) -> str:
    """The true region's outline as the path of an SVG whose box is 100 by 100; "" where there is no region.

    Args:
        truth: bool [height, width].
    """
    if not truth.any():
        return ""
    height, width = truth.shape
    x, y = (np.arange(-1, side + 1) + 0.5 for side in (width, height))
    lines = contour_generator(x, y, np.pad(truth, 1).astype(float)).lines(0.5)
    return "".join(_closed(line * (100 / width, 100 / height)) for line in lines)


def _closed(line: np.ndarray) -> str:
    points = [f"{x:.4g} {y:.4g}" for x, y in np.round(line, 1)]
    kept = [point for point, before in zip(points, [None, *points], strict=False) if point != before]
    return f"M{'L'.join(kept[:-1])}Z"


def _webp(image: Image.Image) -> str:
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=_QUALITY, method=6, use_sharp_yuv=True)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()


TRUE_REGION = "True region"


@dataclass(frozen=True)
class Cell:
    """One picture. `source` is a data URI, "" where there is no heatmap to draw; `note` tells why, or the score."""

    title: str
    source: str
    alt: str
    note: str
    seen_as: str = ""  # the predicted class where it is not the true one


@dataclass(frozen=True)
class Case:
    kind: str  # "Best", "Worst", "Typical", or "" where no score orders the images
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


@dataclass(frozen=True)
class Ranking:
    """The images that a method explained, from the best to the worst by the mean score of some models.

    Attributes:
        family: whose primary metric orders them; None where no score does, and they stand as they were explained.
        ranked_by: the models that the mean is over.
        means: image -> mean score, in order; empty without a family.
        groups: image -> group, in the same order.
        scores: of the method, by model and image.
    """

    family: str | None
    ranked_by: tuple[str, ...]
    means: pd.Series
    groups: pd.Series
    scores: pd.DataFrame


def rank(inputs: Inputs) -> Ranking:
    """Order images by the lead method's scores of the competent models (of all models where none is).

    Localization orders them, or faithfulness where there is no truth.
    """
    method = inputs.lead
    ranked_by = tuple(inputs.competent or inputs.models)
    by_family = {f: _scores(inputs, f, method) for f in families_with("rates_maps")}
    family = next((f for f, found in by_family.items() if found["model"].isin(ranked_by).any()), None)
    scores = by_family.get(family, inputs.scores[:0])
    # a mean over some of the models is not comparable with one over all of them
    wide = scores[scores["model"].isin(ranked_by)].pivot(index="image_id", columns="model", values="value")
    whole = wide.dropna()
    if family and whole.empty:  # no image has a value of every model: those of the model that has most
        whole = wide[[wide.notna().sum().idxmax()]].dropna()
    ranked_by = tuple(model for model in ranked_by if model in whole.columns) or ranked_by
    rows = pd.concat(inputs.index.values(), ignore_index=True)
    groups = rows[rows["method"] == method].drop_duplicates("image_id").set_index("image_id")["group"]
    means = whole.mean(axis=1).sort_index()
    if family:
        lower = inputs.metric(inputs.primary(family)).better == "lower"
        means = means.sort_values(ascending=lower, kind="stable")
        groups = groups[means.index]
    return Ranking(family, ranked_by, means, groups, scores.set_index(["model", "image_id"]))


def examples(inputs: Inputs) -> tuple[Case, ...]:
    """The images of the first screen: the one in the middle of the ranking, the best and the worst; one without any."""
    ranking = rank(inputs)
    images = list(ranking.groups.index)
    if not images:
        return ()
    chosen = {"": images[0]}
    if ranking.family:
        chosen = {"Typical": images[(len(images) - 1) // 2], "Best": images[0], "Worst": images[-1]}
    return tuple(_case(inputs, kind, image, ranking) for kind, image in chosen.items())


def make(inputs: Inputs, count: int) -> Gallery:
    """The `count` cases of the first method and first seed, half best and half worst, at most one of a patient in each
    half as long as there are more."""
    ranking = rank(inputs)
    groups = ranking.groups
    if ranking.family is None:
        chosen = [("", image) for image in _pick(groups, count, ())]
    else:
        best = _pick(groups, count - count // 2, ())
        worst = _pick(groups[::-1], count // 2, best)
        chosen = [("Best", image) for image in best] + [("Worst", image) for image in reversed(worst)]
    cases = tuple(_case(inputs, kind, image, ranking) for kind, image in chosen)
    first = ranking.ranked_by[0]
    strip = _strip(inputs, cases, ranking.family, first)
    return Gallery(cases, ranking.family, ranking.ranked_by, inputs.lead, inputs.seeds[0], strip, first)


SEEDS = 4  # of a model, that are shown at most


@dataclass(frozen=True)
class Retrained:
    """One image by the lead method, from several trainings of each model: name of a model -> a cell for each seed."""

    image_id: str
    group: str
    label: str
    models: dict[str, tuple[Cell, ...]]
    metric: str
    scores: dict[str, str]  # model -> consistency of this image's maps over seeds


def retrained(inputs: Inputs) -> Retrained | None:
    """Show the image of the first screen as each training of a model explains it; None of models trained once."""
    ranking = rank(inputs)
    images = list(ranking.groups.index)
    if not (inputs.again and images):
        return None
    image = images[(len(images) - 1) // 2] if ranking.family else images[0]
    shown, truth = _pixels(inputs, image)
    scores = _scores(inputs, "consistency", inputs.lead).set_index(["model", "image_id"])["value"]
    models = {}
    for model in inputs.models:
        first = Heatmaps(inputs.index[model], {fold: inputs.maps[model, fold] for fold in inputs.folds})
        every = {inputs.seeds[0]: first} | {seed: of for (name, seed), of in inputs.again.items() if name == model}
        found = [(seed, of.find(image, inputs.lead)) for seed, of in list(every.items())[:SEEDS]]
        models[model] = tuple(_seed_cell(model, seed, image, heat, shown, truth) for seed, heat in found)
    row = inputs.cases.loc[image]
    return Retrained(
        image,
        row["group"],
        inputs.decisions[row["label"]],
        models,
        inputs.metric(inputs.primary("consistency")).name,
        {model: numbers.number(float(scores[model, image])) for model in models if (model, image) in scores.index},
    )


def _seed_cell(model: str, seed: int, image: str, heat: np.ndarray | str, shown: np.ndarray, truth: np.ndarray) -> Cell:
    title = f"seed {seed}"
    if isinstance(heat, str):
        return Cell(title, "", "", f"no heatmap to show: {words.reason(heat)}")
    alt = f"Heatmap of {called(model)}, {title}, on image {image}"
    return Cell(title, uri(outlined(enlarged(overlay(shown, heat)), truth)), alt, "")


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
        cells.append(replace(cell, title=method, alt=f"{cell.alt} by {called(method)}" if cell.alt else "", seen_as=""))
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


def _case(inputs: Inputs, kind: str, image: str, ranking: Ranking) -> Case:
    row = inputs.cases.loc[image]
    shown, truth = _pixels(inputs, image)
    label = inputs.decisions[row["label"]]
    cells = [Cell("Image", uri(enlarged(shown)), f"Image {image}, true class {label}", "")]
    if truth.any():
        marked = outlined(enlarged(shown), truth)
        cells.append(Cell(TRUE_REGION, uri(marked), f"Image {image} with the true region outlined", ""))
    for model in inputs.models:
        cells.append(_heat_cell(inputs, model, image, inputs.lead, shown, truth, ranking.scores))
    return Case(kind, image, row["group"], label, float(ranking.means.get(image, float("nan"))), tuple(cells))


def _pixels(inputs: Inputs, image: str) -> tuple[np.ndarray, np.ndarray]:
    """An image as a picture, and its true region (empty where there is none)."""
    place, truth = inputs.cases.loc[image, ["place", "truth"]]
    shown = picture(inputs.pixels[place])
    return shown, inputs.region(image) if truth != "none" else np.zeros(shown.shape[:2], bool)


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
        return Cell(model, "", "", "no heatmap")
    row = index.loc[found[0]]
    label = inputs.cases["label"][image]
    seen_as = "" if row["predicted"] == label else inputs.decisions[row["predicted"]]
    if row["degenerate"] or row["row"] < 0:
        why = words.reason(row["degenerate"]) if row["degenerate"] else "not computed"
        return Cell(model, "", "", f"no heatmap: {why}", seen_as)
    heated = overlay(shown, inputs.heat(model, found[0]))
    score = scores.loc[(model, image), "value"] if (model, image) in scores.index else float("nan")
    note = numbers.number(float(score)) if np.isfinite(score) else "no score"
    return Cell(
        model,
        uri(outlined(enlarged(heated), truth)),
        f"Heatmap of {called(model)} on image {image}",
        note,
        seen_as,
    )
