"""Trained models on disk: tensors in safetensors, what they are in `card.json` beside them."""

import torch

from heatproof import artifacts
from heatproof.train.model import Classifier, load


def load_trained(study: str, model: str, seed: int | str, fold: str, device: torch.device) -> tuple[Classifier, dict]:
    """Load the checkpoint of one (study, model, seed, fold), in evaluation mode, with its card.

    Raises:
        ArtifactError: the checkpoint is not there, or its bytes are not those that were written.
    """
    folder = artifacts.model_dir(study, model, seed, fold)
    card = artifacts.read_json(folder / "card.json")
    path = folder / "model.safetensors"
    if not path.exists() or artifacts.digest(path) != card["sha256"]:
        raise artifacts.ArtifactError(f"{path}: not the file that training wrote; delete {folder} and run again")
    classifier = load(card["architecture"], len(card["classes"]), card["size"], path)
    return classifier.to(device, memory_format=torch.channels_last), card
