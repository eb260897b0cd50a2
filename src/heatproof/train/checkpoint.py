"""Trained models on disk: tensors in safetensors, what they are in `card.json` beside them."""

import torch

from heatproof import artifacts
from heatproof.train.ensemble import Ensemble
from heatproof.train.model import Classifier, load


def load_trained(
    study: str, model: str, seed: int | str, fold: str, device: torch.device
) -> tuple[Classifier | Ensemble, dict]:
    """Load the checkpoint of one (study, model, seed, fold), in evaluation mode, with its card. That of an ensemble
    is its members'.

    Raises:
        ArtifactError: the checkpoint is not there, or its bytes are not those that were written.
    """
    folder = artifacts.model_dir(study, model, seed, fold)
    card = artifacts.read_json(folder / "card.json")
    if "members" in card:
        return _ensemble(card, study, seed, fold, device), card
    path = folder / "model.safetensors"
    if not path.exists() or artifacts.digest(path) != card["sha256"]:
        raise artifacts.ArtifactError(f"{path}: not the file that training wrote; delete {folder} and run again")
    classifier = load(card["architecture"], len(card["classes"]), card["size"], path)
    return classifier.to(device, memory_format=torch.channels_last), card


def _ensemble(card: dict, study: str, seed: int | str, fold: str, device: torch.device) -> Ensemble:
    members, cards = zip(*(load_trained(study, name, seed, fold, device) for name in card["members"]), strict=True)
    if [one["sha256"] for one in cards] != list(card["members"].values()):
        raise artifacts.ArtifactError(f"{study}: an ensemble of other members than are there now; run snakemake again")
    thresholds = (
        torch.tensor([one["thresholds"] for one in cards], dtype=torch.float64) if "thresholds" in card else None
    )
    return Ensemble(members, card["combine"], thresholds).to(device).eval()
