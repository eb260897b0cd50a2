"""What the jobs of this stage share: an opened checkpoint, its images, and its methods with their options."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import timm
import torch
from torch import Tensor

from heatproof.catalogue.methods import METHODS
from heatproof.catalogue.reasons import LEFT_OUT, NO_LAYER, RUNTIME_LAYER
from heatproof.catalogue.registry import explanation_methods
from heatproof.core.draws import derive, spread
from heatproof.core.geometry import degeneracy, upsample
from heatproof.core.messages import ELSE, InputError, Unsupported, fitting, line
from heatproof.explain.methods import Batch, Explanation
from heatproof.store import artifacts
from heatproof.store.artifacts import Checkpoint, case_name, is_multilabel, marks, truth
from heatproof.store.kept import recipe
from heatproof.train.checkpoint import load_trained
from heatproof.train.layers import TargetLayer, find_target_layer, read_layer
from heatproof.train.model import Classifier, pick_device, prepare

SIZE = "explain.batch_size"


@dataclass
class Job:
    """One checkpoint, ready to be explained.

    Attributes:
        name: study/model/seed/fold, for lines of progress.
        rows: int64 [images], the images to explain, as places in the manifest and in `pixels`; where an image can have
            several labels, the cases: it stands there once for each label that is explained.
        methods: by name, taking a `Batch`; options are bound.
        chosen: for each method bool [images], which of `rows` it explains.
        refused: methods that do not support this network, with the code of the reason; filled as they are tried.
        classes: names of the classes.
        cases: of each of `rows` its label and what is predicted of it (the label, or -1); None where an image has one
            class.
        card: of the checkpoint.
    """

    study: str
    name: str
    model: Classifier
    layer: TargetLayer
    device: torch.device
    size: int
    manifest: pd.DataFrame
    pixels: np.ndarray
    rows: np.ndarray
    target: str
    methods: dict[str, Callable[[Batch], Tensor | Explanation]]
    chosen: dict[str, np.ndarray]
    refused: dict[str, str] = field(default_factory=dict)
    classes: list[str] = field(default_factory=list)
    cases: pd.DataFrame | None = None
    card: dict = field(default_factory=dict)

    def batch(self, places: np.ndarray) -> Batch:
        """Some images, at their places among `rows`, and the class that is explained of each."""
        rows = self.rows[places]
        pixels = torch.from_numpy(self.pixels[rows]).to(self.device).float() / 255
        if self.cases is not None:
            targets = torch.tensor(self.cases["label"].to_numpy("int64")[places], device=self.device)
        elif self.target == "predicted":
            with torch.no_grad():
                targets = fitting(self.model, pixels, SIZE).argmax(1)
        else:
            targets = torch.tensor(self.manifest["label"].to_numpy("int64")[rows], device=self.device)
        keys = [(self.study, image_id) for image_id in self.manifest["image_id"].iloc[rows]]
        return Batch(self.model, self.layer, pixels, targets, keys)

    def names(self) -> list[str]:
        """The images by which maps made elsewhere are found; of a case the image and its label."""
        image_ids = self.manifest["image_id"].iloc[self.rows]
        if self.cases is None:
            return list(image_ids)
        return [case_name(i, self.classes[k]) for i, k in zip(image_ids, self.cases["label"], strict=True)]

    def explain(self, name: str, batch: Batch) -> Explanation | None:
        """Maps of one method at image size, on the CPU, with the reason why each cannot be scored, or ""; None where
        the network cannot carry the method."""
        if name in self.refused:
            return None
        try:
            less = f"leave {name} out of explain.methods, {ELSE}"
            found = fitting(self.methods[name], batch, SIZE, otherwise=less)
        except Unsupported as error:
            self.refused[name] = error.reason.code
            line(f"{self.name}: {name} is left out: {error}")
            return None
        maps, gap, reasons = found if isinstance(found, Explanation) else Explanation(found)
        maps = upsample(maps, (self.size, self.size)).detach().cpu()
        gap = torch.full((len(maps),), torch.nan) if gap is None else gap.detach().cpu()
        why = [a or b for a, b in zip(degeneracy(maps), reasons or [""] * len(maps), strict=True)]
        return Explanation(maps, gap.double(), why)

    def part(self, name: str, places: np.ndarray, batch: Batch, variant: str = "") -> tuple[pd.DataFrame, np.ndarray]:
        """Index and maps, float32 [maps, size, size], of one method for some images, the places of which among `rows`
        are given. In the index `row` counts the maps from 0; it is -1 where there is none."""
        wanted = self.chosen[name][places]
        reasons = np.full(len(places), LEFT_OUT.code, object)
        gaps, rows = np.full(len(places), np.nan), np.full(len(places), -1)
        maps = np.empty((0, self.size, self.size), np.float32)
        if wanted.any():
            found = self.explain(name, batch if wanted.all() else batch.part(np.flatnonzero(wanted)))
            if found is None:
                reasons[:] = self.refused[name]
            else:
                maps, rows[wanted] = found.maps.numpy(), np.arange(wanted.sum())
                reasons[wanted], gaps[wanted] = found.reasons, found.gap.numpy()
        found = {"degenerate": reasons, "gap": gaps, "row": rows, "variant": variant}
        return self.index(name, places, batch, **found), maps

    def index(self, name: str, places: np.ndarray, batch: Batch, **columns) -> pd.DataFrame:
        """Rows of the index for some images and one method; `columns` are those that only its caller knows."""
        case = {} if self.cases is None else {name: found.tolist() for name, found in self.cases.iloc[places].items()}
        predicted = case.pop("predicted", None) or batch.logits.argmax(1).tolist()
        return self.manifest.iloc[self.rows[places]][["image_id", "group"]].assign(
            **case,
            method=name,
            target=batch.targets.tolist(),
            predicted=predicted,
            layer=self.layer.name,
            grid_height=self.layer.grid[0],
            grid_width=self.layer.grid[1],
            signed=signed(name),
            **columns,
        )


def open_job(checkpoint: Checkpoint, config: dict, compute: dict, validation: bool = False) -> Job:
    """Load a checkpoint and choose its images, by sections `explain` and `compute`.

    Args:
        validation: whether they are the validation images with a true region, explained for the label that it is of.
    """
    study = checkpoint.study
    prepare(compute["threads"])
    device = pick_device(compute["device"])
    model, card = load_trained(checkpoint, device)
    model.requires_grad_(False)
    # an ensemble has no layer of its own; its grid is that of its first member
    members = getattr(model, "members", None)
    first = next(iter(card["members"])) if members else checkpoint.model
    layer = chosen_layer(first, members[0] if members else model, card["size"], config)
    manifest = artifacts.read_manifest(study, checkpoint.fold)
    target, cases = "label" if validation else config["target"], None
    if validation:
        rows = select_validation(manifest, study, config["validation"])
    else:
        rows = select(manifest, study, config["images_per_group"])
    if is_multilabel(manifest):
        rows, cases = select_cases(manifest, rows, predictions(checkpoint, manifest), target)
        if validation:
            known = marks(manifest.iloc[rows], cases["label"].to_numpy())
            rows, cases = rows[known], cases[known].reset_index(drop=True)
    images = manifest.iloc[rows]
    methods, chosen = {}, {}
    for name, function in explanation_methods(config["methods"]).items():
        options = dict(config["options"].get(name, {}))
        count = options.pop("images", len(rows))
        methods[name] = partial(function, **options)
        chosen[name] = np.zeros(len(rows), bool)
        chosen[name][some(study, images, cases, count)] = True
    refused = {}
    if members or not layer.name:
        layer = TargetLayer("", model, "NCHW", layer.grid)
        layered = (name for name in methods if METHODS[name].layer)
        refused = dict.fromkeys(layered, (NO_LAYER if members else RUNTIME_LAYER).code)
    else:
        line(f"{checkpoint}: explains {layer.name}, grid {layer.grid[0]}x{layer.grid[1]}")
    return Job(
        study=study,
        name=str(checkpoint),
        model=model,
        layer=layer,
        device=device,
        size=card["size"],
        classes=card["classes"],
        manifest=manifest,
        pixels=artifacts.read_array(artifacts.data_dir(study) / "pixels.npy"),
        rows=rows,
        target=target,
        cases=cases,
        methods=methods,
        chosen=chosen,
        refused=refused,
        card=card,
    )


def chosen_layer(name: str, model: Classifier, size: int, config: dict) -> TargetLayer:
    """Return the layer that `explain.layers` names for a model, or the one that is found from the network; one without
    a name, of as many cells as pixels, of a network whose layers cannot be read.

    Args:
        name: of the model in the study.
        model: in evaluation mode.
        size: side of its images in pixels.
        config: section `explain`: `min_grid`, and `layers` where any is named.

    Raises:
        InputError: the network has no such layer, or its output is no grid that the classes depend on.
    """
    layer = config.get("layers", {}).get(name)
    if not getattr(model, "has_modules", True):
        if layer is not None:
            raise InputError(
                f"explain.layers.{name}: {layer}: a model of ONNX has no layers that can be read; leave it out"
            )
        return TargetLayer("", model, "NCHW", (size, size))
    if layer is None:
        return find_target_layer(model, size, config["min_grid"])
    try:
        return read_layer(model, layer, size)
    except InputError as error:
        raise InputError(f"explain.layers.{name}: {error}") from error


def select(manifest: pd.DataFrame, study: str, per_group: int) -> np.ndarray:
    """Rows of the test images to explain, in the manifest's order: at most `per_group` a group, drawn from
    the study's name and the image's id alone, so that every model explains the same ones."""
    test = manifest[manifest["split"] == "test"]
    keys = test["image_id"].map(lambda image_id: derive("explain", study, image_id))
    order = keys.groupby(test["group"]).rank(method="first")
    return np.flatnonzero((manifest["split"] == "test") & (order.reindex(manifest.index) <= per_group))


def select_validation(manifest: pd.DataFrame, study: str, count: int) -> np.ndarray:
    """Return rows of up to `count` validation images with a true region, as `spread` takes them.

    Raises:
        InputError: there is none.
    """
    there = (manifest["split"] == "val") & (manifest["truth"] != "none")
    if is_multilabel(manifest):
        there &= manifest.filter(regex=r"^marks_\d+$").any(axis=1)
    rows = np.flatnonzero(there)
    if not len(rows):
        raise InputError("explain.validation: no validation image has a marked region; set it to 0")
    images = manifest.iloc[rows]
    return rows[spread(study, list(images["image_id"]), list(images["group"]), count)]


def some(study: str, images: pd.DataFrame, cases: pd.DataFrame | None, count: int) -> np.ndarray:
    """Indices of up to `count` images, or cases, as `spread` takes them; rows of the manifest and of `Job.cases`."""
    ids, groups = list(images["image_id"]), list(images["group"])
    if cases is None:
        return spread(study, ids, groups, count)
    labels = cases["label"].tolist()
    there = [bool(image[f"label_{label}"]) for image, label in zip(images.to_dict("records"), labels, strict=True)]
    return spread(study, list(zip(ids, labels, strict=True)), groups, count, there)


def predictions(checkpoint: Checkpoint, manifest: pd.DataFrame) -> np.ndarray:
    """Which labels a checkpoint predicts, bool [images, labels], in the order of the manifest; none of the images that
    it was trained on.

    Raises:
        ArtifactError: the predictions are missing or damaged.
    """
    table = artifacts.read_table(checkpoint.predictions, artifacts.PREDICTIONS).set_index("image_id")
    columns = [name for name in manifest if str(name).startswith("label_")]
    found = table[[name.replace("label", "predicted") for name in columns]]
    return found.reindex(manifest["image_id"], fill_value=False).to_numpy(bool)


def select_cases(
    manifest: pd.DataFrame, rows: np.ndarray, predicted: np.ndarray, target: str
) -> tuple[np.ndarray, pd.DataFrame]:
    """The cases of some images: for each the labels that it has (`label`), that are predicted (`predicted`), or either.

    Args:
        rows: int64 [images], which images of the manifest.
        predicted: bool [all images, labels].

    Returns:
        rows: int64 [cases], an image once for each of its labels; and of each case `label`, and `predicted`: that label
        if the checkpoint predicts it, else -1.

    Raises:
        InputError: there is no case.
    """
    true = truth(manifest, predicted.shape[1])
    requested = {"label": true, "predicted": predicted, "either": true | predicted}[target][rows]
    image, label = np.nonzero(requested)
    if not len(image):
        raise InputError(
            f"explain.target: {target}: none of {len(rows)} images has a label to explain; set it to either"
        )
    return rows[image], pd.DataFrame({"label": label, "predicted": np.where(predicted[rows[image], label], label, -1)})


def signed(name: str) -> bool:
    """Whether negative values of a method speak against the target; unknown of a map made elsewhere, so not assumed."""
    return name in METHODS and METHODS[name].signed


OF_ONE = ("methods", "options", "external")  # of section `explain`: what acts on one method alone


def recipes(
    checkpoint: Checkpoint, config: dict, compute: dict, code: dict[str, str] | None, shuffled: bool = False
) -> dict[str, str]:
    """Return the recipe of each method, and of each one whose maps are external.

    Args:
        config, compute: sections `explain` and `compute`.
        code: digest of the code behind each; without it no recipe is known.
        shuffled: whether a model of shuffled labels is explained, too.
    """
    if code is None:
        return {}
    others = [checkpoint.at(fold=checkpoint.fold.replace("fold", artifacts.SHUFFLED))] if shuffled else []
    # the labels that are predicted decide which cases of several labels are explained
    read = [path for one in (checkpoint, *others) for path in (one.card, one.predictions) if path.exists()]
    shared = [
        {key: value for key, value in config.items() if key not in OF_ONE},
        compute,
        artifacts.sealed(artifacts.data_dir(checkpoint.study) / "digest.json"),
        [artifacts.sealed(path) for path in read],
        [torch.__version__, timm.__version__, str(pick_device(compute["device"]))],
    ]
    own = {name: config["options"].get(name) for name in config["methods"]}
    own |= {name: _content(external_path(checkpoint, path)) for name, path in config.get("external", {}).items()}
    return {name: recipe(code[name], options, shared) for name, options in own.items()}


def external_path(checkpoint: Checkpoint, path: str) -> str:
    """Return where the external maps of a checkpoint lie."""
    return path.format(model=checkpoint.model, seed=checkpoint.seed)


def _content(path: str) -> list[tuple[str, str]]:
    """Return names and digests of external maps; none where there are no files, which their reader reports."""
    where = Path(path)
    files = sorted(where.rglob("*.npy")) if where.is_dir() else [where] if where.is_file() else []
    return [(str(file.relative_to(where)), artifacts.digest(file)) for file in files]
