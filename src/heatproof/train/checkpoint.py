"""Trained models on disk: tensors in safetensors, what they are in `card.json` beside them."""

import torch

from heatproof import artifacts
from heatproof.artifacts import Checkpoint
from heatproof.train.ensemble import Ensemble
from heatproof.train.model import Classifier, load


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
    classifier = load(card["architecture"], len(card["classes"]), card["size"], path)
    return classifier.to(device, memory_format=torch.channels_last), card


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
