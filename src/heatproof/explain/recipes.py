"""What the heatmaps of each method are made from: a method with the recipe of before keeps its maps (`kept`)."""

from pathlib import Path

import timm
import torch

from heatproof.store import artifacts
from heatproof.store.artifacts import Checkpoint
from heatproof.store.kept import recipe
from heatproof.train.model import pick_device

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
