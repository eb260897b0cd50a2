"""Scores of heatmaps and controls: one table for all methods, computed by the functions of the pipeline."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy import ndimage
from torch import Tensor, nn

from heatproof.api.heatmaps import Classifier, heatmaps
from heatproof.api.inputs import (
    check_classes,
    check_evaluation,
    check_images,
    check_maps,
    check_masks,
    check_model,
    check_options,
    check_rows,
    check_targets,
    device_of,
    frozen,
    plain_precision,
)
from heatproof.catalogue.families import CONTROLS, FAMILIES
from heatproof.catalogue.metrics import BASELINES, METRICS, find_metric, metrics_of
from heatproof.catalogue.reasons import NO_OTHER_IMAGE, NO_TRUTH, NOT_GIVEN, Reason
from heatproof.core.draws import spread
from heatproof.core.messages import InputError, check_names, unknown
from heatproof.score import controls as made
from heatproof.score.heatmaps import Beside, Heatmaps, of_maps
from heatproof.score.jobs import agreement, complexity, faithfulness, localization
from heatproof.score.queries import of_class, of_label
from heatproof.store import artifacts
from heatproof.train.adapter import Adapter
from heatproof.train.checkpoint import load_trained
from heatproof.train.layers import find_target_layer
from heatproof.train.model import pick_device

DRAWN_FOR = "python"  # stands where controls are drawn for a study
MIN_GRID = 7  # a side, of the layer that coarse noise imitates
DEFAULTS: dict[str, Any] = {
    "tolerance": 0.067,
    "steps": 20,
    "baselines": ["mean"],
    "batch_size": 64,
    "road": {"percentiles": [10, 20, 30, 40, 50, 60, 70, 80, 90], "noise": 0.01},
    "naopc": {"beam": 1, "cells": 5},
    "infidelity": {"samples": 32},
}
COSTLY = ("road", "naopc", "infidelity")  # modules of metrics that are computed only where they are named
COMPARED = ("consistency", "robustness", "sanity")  # families that compare maps which one call does not have


def scores(
    maps: Mapping[str, Tensor] | Tensor,
    *,
    masks: Tensor | None = None,
    model: nn.Module | None = None,
    images: Tensor | None = None,
    targets: Tensor | None = None,
    metrics: Sequence[str] | None = None,
    controls: bool | Sequence[str] = True,
    ids: Sequence[Any] | None = None,
    groups: Sequence[Any] | None = None,
    regions: Mapping[str, Tensor] | None = None,
    training_masks: Tensor | None = None,
    mask_threshold: float | None = None,
    **options: Any,
) -> pd.DataFrame:
    """Score the heatmaps of all methods, and controls like them.

    Args:
        maps: raw relevance by method, as `heatmaps` returns it, each float [images, height, width]; or one such tensor.
        masks: where the truth lies, of the same shape: bool, {0, 1} or {0, 255}. A mask that is empty, or covers the
            whole image, gives no score.
        model: the `Classifier` that was explained. Faithfulness queries it, with `images` and `targets`.
        images: float [images, channels, height, width] in [0, 1].
        targets: integers [images], the class that each map is for; or one class for all.
        metrics: names of metrics or of families, see `available`. By default all that can be computed; `road*`, `naopc`
            and `infidelity`, which query the model much more often, only where they are named.
        controls: whether to score all controls too; or the names of some.
        ids: of the images, all different; by default 0, 1, ... Random controls are drawn from them.
        groups: of the images, patients for instance: the control `other_image` is of another group.
        regions: `body`, `lungs`, `border` or `cue`, for the metrics that need one: masks of the shape of the maps.
        training_masks: masks [any number, height, width], whose mean is the control `mean_mask`.
        mask_threshold: for masks of other values: a pixel belongs to the mask where it is at least this.
        options: `tolerance` of the pointing game; of faithfulness `steps`, `baselines`, `batch_size`, `road`, `naopc`
            and `infidelity`. They mean what params.yaml says of them, and have its defaults.

    Returns:
        A row for each image, method and metric: image, method, metric, value, reason; and group, where groups are
        given. Controls are methods. A value that cannot be computed is NaN, with a reason.

    Raises:
        InputError: something has the wrong form, a name is not known, or a metric needs what is not given.

    >>> import torch
    >>> import heatproof as hp
    >>> masks = torch.zeros(2, 32, 32)
    >>> masks[:, 4:9, 4:9] = 1
    >>> table = hp.scores({"perfect": masks}, masks=masks, metrics=["pointing_game"], controls=["center"])
    >>> table[["image", "method", "value"]].values.tolist()
    [[0, 'perfect', 1.0], [1, 'perfect', 1.0], [0, 'center', 0.0], [1, 'center', 0.0]]
    """
    options = _options(options)
    grid, maps = getattr(maps, "grid", None), _maps(maps)
    shape = tuple(next(iter(maps.values())).shape)
    masks = None if masks is None else check_masks(masks, shape, mask_threshold)
    if training_masks is not None:
        training_masks = check_masks(training_masks, (None, *shape[1:]), mask_threshold, "training_masks")
    regions = {
        name: check_masks(one, shape, mask_threshold, f"regions[{name!r}]").numpy() for name, one in _regions(regions)
    }
    wanted = _metrics(metrics, options, len(maps), masks is not None, model is not None, regions)
    chosen, names = _controls(controls), _ids(ids, shape[0])
    with plain_precision():
        images = None if images is None else _sized(check_images(images), shape)
        targets = None if targets is None else check_targets(targets, shape[0])
        if model is not None:
            if images is None or targets is None:
                raise InputError("model: faithfulness queries it; give images and targets with it")
            model = check_model(model)
            check_evaluation(model)
            images = images.to(device_of(model))
            check_classes(model, images, targets)
            grid = grid or _grid(model, shape[1:])
        rows = {"image_id": [*names], "group": _groups(groups, names), "target": 0 if targets is None else targets}
        beside = _beside(shape, images, masks, training_masks)
        source = of_maps(DRAWN_FOR, pd.DataFrame(rows), maps, grid or (1, 1), beside)
        lacking = _lacking(shape[0], images, masks, training_masks, grid)
        scored = [*maps, *(name for name in chosen if name not in lacking)]
        found = pd.concat(_Work(source, scored, wanted, options, regions, model).frames())
    for name in chosen:
        if name in lacking:
            alike = found[found["method"] == next(iter(maps))]  # the rows that the control would have
            if name == made.CEILING:
                alike = alike[alike["metric"].isin(metrics_of("localization"))]
            found = pd.concat([found, alike.assign(method=name, value=np.nan, reason=lacking[name].code)])
    return _tidy(found, wanted, names, groups is not None)


NOISE = "noise"  # what random maps are called until they are scored: a control's name is taken


def score_options(
    model: nn.Module,
    images: Tensor,
    targets: Tensor,
    options: Mapping[str, Mapping[str, Sequence[Any]]],
    *,
    smoothing: Sequence[float] = (0,),
    controls: bool | Sequence[str] = True,
    ids: Sequence[Any] | None = None,
    **given: Any,
) -> pd.DataFrame:
    """Score heatmaps of every option of some methods, and random maps smoothed alike, for `analyze` to choose from.

    Call it for validation and for test patients, and give both tables to `analyze`.

    Args:
        model: a `Classifier`.
        images: float [images, channels, height, width] in [0, 1].
        targets: integers [images], the class that each map is for; or one class for all.
        options: method -> `layer`, or an option of the method -> the values to try; all combinations are scored.
        smoothing: standard deviations of Gaussians, in pixels, that maps and random maps are smoothed with; 0 for none.
        controls: as in `scores`; all but the random map have one option.
        ids: of the images, all different; by default 0, 1, ...
        given: what else `scores` takes: masks, metrics, groups, ...

    Returns:
        The table of `scores` with a column option, such as `layer=layer3, smoothing=2`; "" of a single one.

    Raises:
        InputError: as `heatmaps` and `scores` do, or the values of an option are no list.
        Unsupported: a method does not support the network.

    >>> import timm, torch
    >>> import heatproof as hp
    >>> model = hp.Classifier(timm.create_model("test_resnet", num_classes=2))
    >>> given = {"masks": torch.ones(2, 64, 64).tril(), "metrics": ["iou"], "controls": ["random"]}
    >>> layers = {"gradcam": {"layer": ["layer2", "layer3"]}}
    >>> table = hp.score_options(model, torch.rand(2, 3, 64, 64), [0, 1], layers, smoothing=[0, 2], **given)
    >>> table.groupby("method")["option"].unique().map(list).to_dict()["random"]
    ['smoothing=0', 'smoothing=2']
    >>> table["option"].unique()[:2].tolist()
    ['layer=layer2, smoothing=0', 'layer=layer2, smoothing=2']
    """
    _check_tried(options, smoothing)
    given = given | {"model": model, "images": images, "targets": targets, "ids": ids}
    tables = []

    def score(name: str, maps: Tensor, tried: Mapping[str, Any]) -> None:
        for width in smoothing:
            smooth = ndimage.gaussian_filter(maps.cpu().numpy(), (0, width, width))
            named = dict(tried) | ({"smoothing": width} if len(smoothing) > 1 else {})
            option = ", ".join(f"{key}={value}" for key, value in named.items())
            tables.append(scores({name: torch.from_numpy(smooth)}, **given, controls=False).assign(option=option))

    for method, lists in options.items():
        for values in product(*lists.values()):
            tried = dict(zip(lists, values, strict=True))
            own = {key: value for key, value in tried.items() if key != "layer"}
            maps = heatmaps(model, images, targets, [method], layer=tried.get("layer"), options={method: own})
            varied = {key: value for key, value in tried.items() if len(lists[key]) > 1}
            score(method, maps[method], varied)
    wanted = _controls(controls)
    if made.RANDOM in wanted:
        keys = [(DRAWN_FOR, name) for name in _ids(ids, len(images))]
        score(NOISE, made.random_maps(keys, tuple(images.shape[-2:])), {})
        tables[-len(smoothing) :] = [table.assign(method=made.RANDOM) for table in tables[-len(smoothing) :]]
    if others := [name for name in wanted if name != made.RANDOM]:
        found = scores(maps, **given, controls=others)
        tables.append(found[found["method"].isin(others)].assign(option=""))
    return pd.concat(tables, ignore_index=True)


def study_options(
    study: str,
    options: Mapping[str, Mapping[str, Sequence[Any]]],
    *,
    metrics: Sequence[str],
    models: Sequence[str] | None = None,
    images: int = 100,
    **given: Any,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Score every option on validation and test images of a finished study, for each checkpoint that it trained.

    Where a metric is of localization, images with a true region are scored, and the mean training mask is a control.
    Where images have several labels, an image is scored for each label that is there.

    Args:
        study: the name of one whose results lie below the current folder.
        options: method -> `layer`, or an option of the method -> the values to try, as in `score_options`.
        metrics: names of metrics or of families, see `available`.
        models: of the study; by default all. The layers to try have to be there in each.
        images: of validation, and of test, at most; spread over patients.
        given: what else `score_options` takes: smoothing, controls, ...

    Returns:
        The tables of validation and of test images, as `analyze` takes them: of `score_options`, with columns model,
        seed and fold.

    Raises:
        InputError: the study or a model has no checkpoint there, a part of its images is empty, or images have several
            labels and a metric is of localization.

    >>> import heatproof as hp
    >>> layers = {"gradcam": {"layer": ["layer3", "layer4"]}}
    >>> chosen, tested = hp.study_options("phantom", layers, metrics=["iou"], models=["resnet50"])  # doctest: +SKIP
    >>> hp.analyze(tested, validation=chosen, compare="model").tables["optimism"]  # doctest: +SKIP
    """
    found = [path.parts[-4:-1] for path in sorted((artifacts.RESULTS / "models" / study).glob("*/*/fold*/card.json"))]
    if not found:
        raise InputError(f"{study}: no checkpoint in {artifacts.RESULTS.absolute()}; run the study, or dvc pull")
    wanted = check_names(models, "models") if models is not None else list(dict.fromkeys(model for model, *_ in found))
    if lost := [model for model in wanted if model not in {there for there, *_ in found}]:
        raise unknown(f"model of {study}", lost[0], dict.fromkeys(model for model, *_ in found))
    known = {"localization", *metrics_of("localization")}
    located = any(name in known for name in check_names(metrics, "metrics"))
    tables: dict[str, list[pd.DataFrame]] = {"val": [], "test": []}
    for model, seed, fold in found:
        if model not in wanted:
            continue
        loaded, card = load_trained(artifacts.Checkpoint(study, model, int(seed), fold), pick_device("auto"))
        if "members" in card:  # an ensemble has no layers
            continue
        if not isinstance(loaded, Adapter):
            kind = {"task": card.get("task", "multiclass"), "output": "logits"}
            loaded = Classifier(loaded.net, loaded.mean.flatten(), loaded.std.flatten(), **kind)
        for part, of in tables.items():
            arguments = _of_part(study, fold, part, images, located)
            made_here = score_options(loaded, **arguments, options=options, metrics=metrics, **given)
            of.append(made_here.assign(model=model, seed=int(seed), fold=fold))
    validation, test = (pd.concat(of, ignore_index=True) for of in tables.values())
    return validation, test


def _of_part(study: str, fold: str, part: str, count: int, located: bool) -> dict[str, Any]:
    """Return what `scores` takes of some validation or test images of a study."""
    folder, manifest = artifacts.data_dir(study), artifacts.read_manifest(study, fold)
    several = artifacts.is_multilabel(manifest)
    if several and located:
        raise InputError(
            f"{study}: its images have several labels; for localization, call score_options for each label"
        )
    held = artifacts.truth(manifest, sum(name.startswith("label_") for name in manifest)) if several else None
    usable = (manifest["truth"] != "none") | (not located) if held is None else held.any(1)
    places = np.flatnonzero((manifest["split"] == part) & usable)
    if not len(places):
        name = {"val": "validation"}.get(part, part)
        raise InputError(f"{study}: {fold} has no {name} image{' with a true region' if located else ''} to score")
    rows = manifest.iloc[places]
    chosen = places[spread(study, list(rows["image_id"]), list(rows["group"]), count)]
    if held is None:
        ids, targets = manifest["image_id"].iloc[chosen], manifest["label"].iloc[chosen].to_numpy("int64")
    else:  # a case is an image and a label
        of, targets = np.nonzero(held[chosen])
        chosen = chosen[of]
        ids = manifest["image_id"].iloc[chosen] + np.char.add(": ", targets.astype(str))
    pixels = artifacts.read_array(folder / "pixels.npy")
    found = {"images": torch.from_numpy(pixels[chosen]).float() / 255, "targets": targets}
    found |= {"ids": list(ids), "groups": list(manifest["group"].iloc[chosen])}
    if located:
        masks = artifacts.read_array(folder / "masks.npy")
        learnt = np.flatnonzero((manifest["split"] == "train") & (manifest["truth"] != "none"))
        found["masks"] = torch.from_numpy(masks[chosen])
        found |= {"training_masks": torch.from_numpy(masks[learnt])} if len(learnt) else {}
    return found


def _check_tried(options: object, smoothing: object) -> None:
    """Refuse what names no values to try."""
    example = "such as {'gradcam': {'layer': ['layer3', 'layer4']}}"
    if not isinstance(options, Mapping) or not options:
        raise InputError(f"options: {options!r}; give methods with the values to try, {example}")
    for method, lists in options.items():
        if not isinstance(lists, Mapping):
            raise InputError(f"options: {method} is {lists!r}; give the values of its options, {example}")
        for name, values in lists.items():
            if isinstance(values, str) or not isinstance(values, Sequence) or not values:
                raise InputError(f"options: {name} of {method} is {values!r}; give a list of values, {example}")
    if (
        not isinstance(smoothing, Sequence)
        or not smoothing
        or not all(isinstance(width, int | float) and width >= 0 for width in smoothing)
    ):
        raise InputError(f"smoothing: {smoothing!r}; give a list of widths in pixels from 0 on, such as [0, 2]")


@dataclass(frozen=True)
class _Work:
    """What is scored: the methods and controls `names`, by the metrics `wanted`."""

    source: Heatmaps
    names: list[str]
    wanted: list[str]
    options: dict[str, Any]
    regions: dict[str, np.ndarray]
    model: Adapter | None

    def frames(self) -> Iterator[pd.DataFrame]:
        """Yield rows as the jobs of the families write them."""
        families = {find_metric(metric).family for metric in self.wanted}
        ordinary = [name for name in self.names if name != made.CEILING]
        for chunk in self.source.chunks():
            if "localization" in families:
                options = {"tolerance": self.options["tolerance"]}
                yield from localization.rows(self.source, chunk, self.names, self.regions, **options).values()
            if "complexity" in families:
                yield from complexity.rows(self.source, chunk, ordinary).values()
            if "agreement" in families:
                others = self.source.others if made.OTHER_IMAGE in self.names else []
                yield from agreement.rows(self.source, chunk, [*ordinary, *others]).values()
        if "faithfulness" in families:
            yield from self._faithfulness(ordinary)

    def _faithfulness(self, names: list[str]) -> Iterator[pd.DataFrame]:
        sections, count = {_section(metric) for metric in self.wanted}, len(self.source)
        options = self.options | {"images": count if "curves" in sections else 0}
        options |= {one: self.options[one] | {"images": count} if one in sections else None for one in COSTLY}
        probability = of_label if self.model.outputs.activation == "sigmoid" else of_class
        for part, chosen in faithfulness.pieces(self.source, options):
            requested = faithfulness.Asked(self.source, names, chosen, device_of(self.model), probability)
            yield requested.rows(part(self.model, requested, options))


def _section(metric: str) -> str:
    """Return which queries of the model a metric of faithfulness reads; "" of any other metric."""
    entry = find_metric(metric)
    return "" if entry.family != "faithfulness" else entry.module if entry.module in COSTLY else "curves"


def _options(given: dict[str, Any]) -> dict[str, Any]:
    """Return all options, those that are given in place of the defaults."""
    check_options(given, DEFAULTS, "scores")
    options = dict(DEFAULTS)
    for name, value in given.items():
        if isinstance(DEFAULTS[name], dict):
            if not isinstance(value, Mapping):
                raise InputError(f"{name}: {value!r}; give its options, such as {DEFAULTS[name]}")
            check_options(value, DEFAULTS[name], name)
            value = DEFAULTS[name] | dict(value)
            for key, default in DEFAULTS[name].items():
                if isinstance(default, int | float) and not isinstance(value[key], int | float):
                    raise InputError(f"{name}: {key} is {value[key]!r}; give a number, such as {default}")
        options[name] = value
    options["baselines"] = check_names(options["baselines"], "baselines")
    for baseline in options["baselines"]:
        if baseline not in BASELINES:
            raise unknown("baseline", baseline, BASELINES)
    for name in ("steps", "batch_size"):
        if not isinstance(options[name], int) or options[name] < 1:
            raise InputError(f"{name}: {options[name]!r}; it must be a whole number from 1 on")
    return options


def _maps(given: Mapping[str, Tensor] | Tensor) -> dict[str, Tensor]:
    """Return maps by method, all of one shape."""
    given = dict(given) if isinstance(given, Mapping) else {"heatmap": given}
    if not given:
        raise InputError("maps: there are none; give at least one method's")
    maps = {name: check_maps(one, f"maps[{name!r}]") for name, one in given.items()}
    (first, one), *others = maps.items()
    for name, other in others:
        if other.shape != one.shape:
            raise InputError(f"maps: {first!r} are {list(one.shape)} and {name!r} {list(other.shape)}; make them equal")
    if taken := [name for name in maps if name in CONTROLS]:
        raise InputError(f"maps: {taken[0]!r} is the name of a control; call the method otherwise")
    return maps


def _sized(images: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Return images that fit maps of this shape."""
    if (len(images), *images.shape[2:]) != shape:
        raise InputError(
            f"maps are {list(shape)}, and images {list(images.shape)}; they must be as many and of one height and width"
        )
    return images


def _regions(given: Mapping[str, Tensor] | None) -> Iterator[tuple[str, Tensor]]:
    """Yield regions by name, of the names that metrics know."""
    known = {metric.region for metric in METRICS.values() if metric.region}
    for name, region in (given or {}).items():
        if name not in known:
            raise unknown("region", name, known)
        yield name, region


def _controls(given: bool | Sequence[str]) -> list[str]:
    """Return the names of the controls that are wanted, in the catalogue's order."""
    if isinstance(given, bool):
        return [name for name in CONTROLS if name != made.READER] if given else []
    for name in (names := check_names(given, "controls")):
        if name not in CONTROLS or name == made.READER:
            raise unknown("control", name, CONTROLS)
    return [name for name in CONTROLS if name in names]


def _ids(given: Sequence[Any] | None, count: int) -> dict[str, Any]:
    """Return the names of images, by the text that draws are derived from."""
    ids = check_rows("ids", range(count) if given is None else given)
    if len(ids) != count:
        raise InputError(f"ids: {len(ids)} names for {count} images")
    names = {str(name): name for name in ids}
    if len(names) < count:
        twice = next(name for name in ids if [str(one) for one in ids].count(str(name)) > 1)
        raise InputError(f"ids: {twice!r} appears twice; give each row of the maps a name of its own")
    return names


def _groups(given: Sequence[Any] | None, names: Mapping[str, Any]) -> list[str]:
    """Return the group of each image, by default the image itself."""
    groups = [*names] if given is None else [str(group) for group in check_rows("groups", given)]
    if len(groups) != len(names):
        raise InputError(f"groups: {len(groups)} for {len(names)} images")
    return groups


def _grid(model: Adapter, size: tuple[int, ...]) -> tuple[int, int] | None:
    """Return the grid of the layer that CAMs explain by default, None where there is none."""
    try:
        with torch.enable_grad(), frozen(model):
            return find_target_layer(model, size, MIN_GRID).grid
    except InputError:
        return None


def _beside(shape: tuple[int, ...], images: Tensor | None, masks: Tensor | None, training: Tensor | None) -> Beside:
    """Return what some controls read; what is not given is empty, and read by none."""
    count, blank = shape[0], torch.zeros(shape, dtype=torch.bool)
    return Beside(
        pixels=(blank[:, None] if images is None else images.cpu()).numpy(),
        masks=(blank if masks is None else masks).numpy(),
        places=np.arange(count),
        untrue=np.full(count, NO_TRUTH.code if masks is None else "", object),
        labels=np.zeros(count, np.int64),
        present=None,
        mean_mask=blank[0].float() if training is None else made.mean_mask(training.numpy(), np.arange(len(training))),
    )


def _lacking(count: int, images: object, masks: object, training: object, grid: object) -> dict[str, Reason]:
    """Return the controls that cannot be made, each with why."""
    found = {
        made.LOWRES_NOISE: None if grid else NOT_GIVEN["model"],
        made.OTHER_IMAGE: None if count > 1 else NO_OTHER_IMAGE,
        made.EDGES: NOT_GIVEN["images"] if images is None else None,
        made.MEAN_MASK: NOT_GIVEN["training_masks"] if training is None else None,
        made.TRUTH: NOT_GIVEN["masks"] if masks is None else None,
        made.CEILING: NOT_GIVEN["masks"] if masks is None else None if grid else NOT_GIVEN["model"],
    }
    return {name: reason for name, reason in found.items() if reason}


def _metrics(
    given: Sequence[str] | None,
    options: dict[str, Any],
    methods: int,
    masks: bool,
    model: bool,
    regions: Mapping[str, Tensor],
) -> list[str]:
    """Return the names of the metrics that are wanted; further baselines are added to `options`.

    Raises:
        InputError: one is not known, or needs what is not given.
    """

    def lacks(name: str) -> str:
        entry = find_metric(name)
        if entry.tuned:
            return f"a threshold tuned on other images; call hp.metrics.{name} with it"
        if entry.family in COMPARED:
            return f"the maps of other models or images; call hp.metrics.{name} with them"
        if entry.region:
            return "" if entry.region in regions else f"regions={{{entry.region!r}: ...}}"
        if entry.family == "agreement":
            return "" if methods > 1 else "the maps of two methods or more"
        there = {"localization": masks, "faithfulness": model}.get(entry.family, True)
        return "" if there else {"localization": "masks", "faithfulness": "model, images and targets"}[entry.family]

    def of(family: str | None) -> list[str]:
        """All metrics of a family, or of all, but those that cost much."""
        listed = [one for one in METRICS.values() if family in (None, one.family) and one.module not in COSTLY]
        names = {one.name: one.baselines for one in listed}
        further = [f"{name}_{baseline}" for baseline in options["baselines"][1:] for name in names if names[name]]
        return [name for name in [*names, *further] if not lacks(name)]

    if given is None:
        return of(None)
    wanted: list[str] = []
    for name in check_names(given, "metrics"):
        if name in FAMILIES:
            wanted += of(name)
            if not of(name):
                first = next(iter(metrics_of(name)))
                raise InputError(f"metrics: {name} needs {lacks(first)}")
            continue
        entry = find_metric(name)
        suffix = name.removeprefix(entry.name).strip("_") if entry else ""
        if entry is None or (suffix and not (entry.baselines and suffix in BASELINES)):
            raise unknown("metric", name, [*METRICS, *FAMILIES])
        if suffix == options["baselines"][0]:
            raise InputError(f"metrics: {name} is {entry.name} here, as {suffix} is the first of the baselines")
        if why := lacks(name):
            raise InputError(f"metrics: {name} needs {why}")
        wanted.append(name)
        if suffix and suffix not in options["baselines"]:
            options["baselines"] = [*options["baselines"], suffix]
    return list(dict.fromkeys(wanted))


def _tidy(found: pd.DataFrame, wanted: list[str], names: Mapping[str, Any], grouped: bool) -> pd.DataFrame:
    """Return the rows of the metrics that are wanted: metric by metric, method by method, image by image."""
    found = found[found["metric"].isin(wanted)]
    methods = {method: place for place, method in enumerate(dict.fromkeys(found["method"]))}
    order = [found["image_id"].map({name: place for place, name in enumerate(names)}), found["method"].map(methods)]
    order.append(found["metric"].map({metric: place for place, metric in enumerate(wanted)}))
    found = found.iloc[np.lexsort(order)].reset_index(drop=True)
    found.insert(0, "image", found["image_id"].map(names))
    return found[["image", *(["group"] if grouped else []), "method", "metric", "value", "reason"]]
