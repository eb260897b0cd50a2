"""What a training leaves: tensors in safetensors with `card.json` beside them, its predictions and thresholds, and what
a stopped one needs to go on with the same bytes."""

import hashlib
import importlib
import json
import time
import zlib
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import safetensors
import safetensors.torch
import torch
from torch import Tensor

from heatproof.core.messages import line
from heatproof.store import artifacts
from heatproof.store.artifacts import Checkpoint, multihot, truth
from heatproof.train.model import Classifier, Ensemble, load

HALF = 0.5
BRANCHES = {"source": "heatproof.train.sources"}  # models that were trained elsewhere


def best_thresholds(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The threshold of each label with the highest F1 on some images.

    Halfway between two neighbouring probabilities, or the lowest of all; of several that are equally good the one
    nearest to one half. A label that none or all of the images have gets one half: nothing there says more.

    Args:
        probabilities: float [images, labels].
        labels: bool of the same shape.

    Returns:
        float [labels]; predicted is what reaches it.
    """
    return np.array([_best(p, y) for p, y in zip(probabilities.T, labels.T, strict=True)])


def _best(probability: np.ndarray, there: np.ndarray) -> float:
    if not 0 < there.sum() < len(there):
        return HALF
    known = np.unique(probability)
    candidates = np.array([*(known[1:] + known[:-1]) / 2, HALF, known[0]])  # the last takes all
    predicted = probability >= candidates[:, None]  # [candidates, images]
    hits = (predicted & there).sum(1)
    f1 = 2 * hits / (predicted.sum(1) + there.sum())
    good = candidates[f1 >= f1.max() - 1e-12]
    return float(good[np.abs(good - HALF).argmin()])


def classified(manifest: pd.DataFrame, probabilities: np.ndarray) -> pd.DataFrame:
    """Predictions of some images of which each has one class.

    Args:
        manifest: their rows.
        probabilities: float [images, classes], of which the first of the largest is predicted.
    """
    frame = manifest[["image_id", "split", "label"]].reset_index(drop=True)
    frame["predicted"] = probabilities.argmax(1)
    return frame.join(_columns(probabilities))


def labelled(
    manifest: pd.DataFrame, probabilities: np.ndarray, thresholds: np.ndarray | None = None
) -> tuple[pd.DataFrame, list[float]]:
    """Predictions of some images that can have several labels, and the threshold of each label.

    Args:
        manifest: their rows, of which those of the split `val` choose thresholds that are not given.
        probabilities: float [images, labels].
        thresholds: float [labels]; a label is predicted whose probability reaches it.
    """
    true = truth(manifest, probabilities.shape[1])
    if thresholds is None:
        chosen = (manifest["split"] == "val").to_numpy()
        thresholds = best_thresholds(probabilities[chosen], true[chosen])
    frame = manifest[["image_id", "split"]].reset_index(drop=True)
    frame = frame.assign(label=pd.NA, predicted=pd.NA).join(multihot("label", true))
    frame = frame.join(multihot("predicted", probabilities >= thresholds)).join(_columns(probabilities))
    return frame, [float(threshold) for threshold in thresholds]


def _columns(probabilities: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(probabilities).add_prefix("p_")


def load_trained(checkpoint: Checkpoint, device: torch.device) -> tuple[Classifier | Ensemble, dict]:
    """Load a checkpoint, in evaluation mode, with its card. That of an ensemble is its members'.

    Raises:
        ArtifactError: the checkpoint is not there, or its bytes are not those that were written.
    """
    card, path = artifacts.read_json(checkpoint.card), checkpoint.weights
    if "members" in card:
        return _ensemble(card, checkpoint, device), card
    if not path.exists() or artifacts.digest(path) != card["sha256"]:
        raise artifacts.ArtifactError(
            f"{path}: not the file that training wrote; delete {checkpoint.folder} and run again"
        )
    if "source" in card:
        return opened("source").reopen(card, path).to(device), card
    classifier = load(card["architecture"], len(card["classes"]), card["size"], path)
    return classifier.to(device, memory_format=torch.channels_last), card


def opened(branch: str) -> ModuleType:
    """Import a module of `BRANCHES`: jobs of studies that do not take it do not count its code as theirs."""
    return importlib.import_module(BRANCHES[branch])


def _ensemble(card: dict, checkpoint: Checkpoint, device: torch.device) -> Ensemble:
    loaded = (load_trained(checkpoint.at(model=name), device) for name in card["members"])
    members, cards = zip(*loaded, strict=True)
    if [one["sha256"] for one in cards] != list(card["members"].values()):
        raise artifacts.ArtifactError(
            f"{checkpoint.study}: an ensemble of other members than are there now; run snakemake again"
        )
    thresholds = (
        torch.tensor([one["thresholds"] for one in cards], dtype=torch.float64) if "thresholds" in card else None
    )
    return Ensemble(members, card["combine"], thresholds).to(device).eval()


SECONDS_BETWEEN_SAVES = 20
TIMES_A_SAVE = 20  # or sooner, where a save takes at most a twentieth of what it is for


class Resume:
    """The state of one training, found again only by an equal key (configuration, data, code, versions).

    States of the same training under another key are stale and are deleted.
    """

    def __init__(self, folder: Path, *key: str):
        self.folder = folder
        code = "".join(artifacts.digest(path) for path in sorted(Path(__file__).parent.glob("*.py")))
        name = hashlib.sha256("\x1f".join([*key, code, torch.__version__]).encode()).hexdigest()[:20]
        self.path = folder / f"{name}.safetensors"
        self._saved, self._lasted = time.monotonic(), 0.0
        for other in folder.glob("*"):
            if other != self.path:
                other.unlink()

    def load(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """Tensors and facts of the last save; None where there is none, or not as it was written."""
        if not self.path.exists():
            return None
        try:
            with safetensors.safe_open(self.path, "pt") as file:
                facts, written = (file.metadata()[name] for name in ("facts", "checksum"))
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
                if written != _checksum(tensors, facts):
                    raise ValueError("another checksum")
                return tensors, json.loads(facts)
        except (safetensors.SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
            line(f"{self.path}: the state of a stopped training is damaged ({error}): training starts again")
            return None

    def due(self) -> bool:
        """Whether the last save is long enough ago: a large state is not written after every short epoch.

        An epoch of 20 seconds or more is always saved, and so is one that lasts twenty times as long as a save. A
        stopped training goes on from the last epoch saved, and trains at most 20 seconds of whole epochs again.
        """
        return time.monotonic() - self._saved >= min(SECONDS_BETWEEN_SAVES, TIMES_A_SAVE * self._lasted)

    def save(self, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
        begun = time.monotonic()
        flat = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        stated = {"facts": json.dumps(facts)}
        stated["checksum"] = _checksum(flat, stated["facts"])
        with artifacts.replacing(self.path) as temporary:
            safetensors.torch.save_file(flat, temporary, metadata=stated)
        self._saved = time.monotonic()
        self._lasted = self._saved - begun

    def clear(self) -> None:
        self.path.unlink(missing_ok=True)
        if self.folder.is_dir() and not any(self.folder.iterdir()):
            self.folder.rmdir()


def _checksum(tensors: dict[str, Tensor], facts: str) -> str:
    """CRC-32 of all tensors by name and the facts; tensors lie whole and in order in memory."""
    found = zlib.crc32(facts.encode())
    for name in sorted(tensors):
        found = zlib.crc32(tensors[name].reshape(-1).view(torch.uint8).numpy(), zlib.crc32(name.encode(), found))
    return f"{found:08x}"
