"""`heatproof job train`: one checkpoint, its history and its predictions."""

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd
import safetensors.torch
import torch
from torch import Tensor

from heatproof.core.draws import derive
from heatproof.core.messages import InputError, Unsupported, deadline, line, pairs
from heatproof.store import artifacts
from heatproof.store.artifacts import truth
from heatproof.train.checkpoint import Resume, classified, labelled, opened
from heatproof.train.layers import find_target_layer
from heatproof.train.loop import best_epoch, shuffled, train
from heatproof.train.model import Classifier, ImageSet, adapted, build, load, pick_device, predict, prepare, save


def add_arguments(parser: argparse.ArgumentParser) -> None:
    artifacts.Checkpoint.add_arguments(parser)
    parser.add_argument("--config", required=True, type=json.loads, help="section train of this model, as JSON")
    parser.add_argument("--compute", required=True, type=json.loads, help="section compute, as JSON")
    parser.add_argument("--timeout", type=int, default=600, help="seconds of opening a model, or of one batch of it")


def run(args: argparse.Namespace) -> None:
    """Train a model, or open one that was trained elsewhere, and write its checkpoint and what it predicts.

    Raises:
        InputError: the recipe, the weights or the model cannot be used.
    """
    checkpoint = artifacts.Checkpoint.of(args)
    recipe, compute = args.config, args.compute
    # a study of one fold draws the same numbers as it does beside others
    key = (args.study, args.model, args.seed, *([] if args.fold == "fold0" else [args.fold]))
    prepare(compute["threads"])
    device = pick_device(compute["device"])
    source = artifacts.data_dir(args.study)
    facts = artifacts.read_json(source / "digest.json")
    manifest = artifacts.read_manifest(args.study, args.fold)
    pixels = artifacts.read_array(source / "pixels.npy")
    several = facts.get("task") == "multilabel"
    labels = _labels(manifest, len(facts["classes"]) if several else None)
    memorize = args.fold.startswith(artifacts.SHUFFLED)
    if memorize:
        labels = shuffled(labels, np.flatnonzero(manifest["split"] == "train"), *key)

    def images(*splits: str) -> ImageSet:
        rows = np.concatenate([np.flatnonzero(manifest["split"] == split) for split in splits])
        return ImageSet(pixels, rows, labels[rows])

    if "source" in recipe:
        _judge(checkpoint, recipe, compute, args.timeout, device, facts, manifest, images("val", "test"))
        return
    torch.manual_seed(derive(*key, "weights"))
    brought = _weights_file(args.model, args.seed, recipe)
    model, new_head = _start(args.model, brought, recipe, facts, images("train"))
    find_target_layer(model.eval(), facts["size"], 1)  # what cannot be explained is not trained
    resume = Resume(
        artifacts.STATE / "train" / args.study / f"{args.model}-{args.seed}-{args.fold}",
        json.dumps(
            [recipe, compute, str(device), args.fold, facts["sha256"], brought and artifacts.digest(brought)],
            sort_keys=True,
        ),
    )
    history = train(
        model,
        images("train"),
        images("train" if memorize else "val"),  # shuffled labels can be learnt by heart, and nothing else of them
        recipe,
        key=key,
        device=device,
        eval_batch_size=compute["batch_size"],
        resume=resume,
        tell=lambda text: line(f"{checkpoint}: {text}"),
    )
    held_out = images("val", "test")
    logits = predict(model.to(device), held_out, compute["batch_size"], device)
    with artifacts.sealing(checkpoint.weights) as temporary:
        save(model, temporary)
    _write(
        checkpoint,
        facts,
        manifest.iloc[held_out.rows],
        logits,
        history,
        {
            "architecture": args.model,
            "classes": facts["classes"],
            "size": facts["size"],
            "parameters": sum(p.numel() for p in model.parameters()),
            "weights": recipe["weights"],
            **(_origin(brought, new_head) if brought else {}),
            "epochs": recipe["epochs"],
            "best_epoch": best_epoch(history),
            "sha256": artifacts.digest(checkpoint.weights),
        },
    )
    resume.clear()


def _write(
    checkpoint: artifacts.Checkpoint, facts: dict, tested: pd.DataFrame, logits: Tensor, history: list, card: dict
) -> None:
    """Write predictions, history and, last, the card."""
    if facts.get("task") == "multilabel":
        table, thresholds = labelled(tested, logits.double().sigmoid().numpy())
        card |= {"task": facts["task"], "thresholds": thresholds}
    else:
        table = classified(tested, logits.double().softmax(1).numpy())
    artifacts.write_table(checkpoint.predictions, table, artifacts.PREDICTIONS)
    epochs = pd.DataFrame(history, columns=list(artifacts.HISTORY))
    artifacts.write_table(checkpoint.folder / "history.csv", epochs, artifacts.HISTORY)
    artifacts.write_json(checkpoint.card, card)


def _judge(
    checkpoint: artifacts.Checkpoint,
    recipe: dict,
    compute: dict,
    timeout: int,
    device: torch.device,
    facts: dict,
    manifest: pd.DataFrame,
    images: ImageSet,
) -> None:
    """Open a model that was trained elsewhere, and write its checkpoint and what it predicts for some images.

    Raises:
        InputError: it cannot be opened, does not take the images, or gives logits that are not finite; the line names
            it.
    """
    sources, task = opened("source"), facts.get("task", "multiclass")
    named = f"models.{checkpoint.model}"
    options = {name: value for name, value in recipe.items() if name != "source"}
    slow = f"{named}: opening it, or one batch of it, took longer than compute.timeout ({timeout} s)"
    try:
        with deadline(timeout, slow) as again:
            loaded = sources.load(recipe["source"], options, classes=facts["classes"], task=task)
            model = loaded.net.to(device)
            model.resize = f"set {named}.size to"
            model.register_forward_hook(lambda *_: again())
            loaded.check(facts["size"])
            loaded.layer_at(facts["size"], 1)  # what cannot be explained is not judged
            logits = predict(model, images, compute["batch_size"], device)
        if logits.shape[1] != len(facts["classes"]):
            raise InputError(
                f"it gives {logits.shape[1]} classes, and the study has {', '.join(facts['classes'])}: state "
                f"which output is which class, as in {pairs('classes', {facts['classes'][0]: 0})}"
            )
        if broken := int((~logits.isfinite()).any(1).sum()):
            raise InputError(
                f"its logits of {broken} of {len(logits)} images are not finite: its weights cannot be used"
            )
    except Unsupported:
        raise
    except InputError as error:
        raise InputError(f"{named}: {error}") from error
    if loaded.assumed:
        order = ", ".join(facts["classes"])
        line(f"{checkpoint}: it does not name its outputs, which are read in the order of the study's classes: {order}")
    with artifacts.sealing(checkpoint.weights) as temporary:
        safetensors.torch.save_file(sources.tensors_of(loaded), temporary)
    card = {
        "architecture": checkpoint.model,
        "classes": facts["classes"],
        "size": facts["size"],
        "parameters": sum(p.numel() for p in model.parameters()),
        "epochs": 0,
        "best_epoch": 0,
        "sha256": artifacts.digest(checkpoint.weights),
        **sources.described(loaded, options),
    }
    line(f"{checkpoint}: {card['normalization']}")
    _write(checkpoint, facts, manifest.iloc[images.rows], logits, [], card)


def _weights_file(name: str, seed: int, recipe: dict) -> Path | None:
    if recipe["weights"] in ("scratch", "pretrained"):
        return None
    path = Path(recipe["weights"].format(model=name, seed=seed))
    if not path.is_file():
        raise InputError(f"{path}: not found; train.weights is scratch, pretrained or the path of a .safetensors file")
    return path


def _origin(weights: Path, new_head: bool) -> dict:
    """Which file training started from: a checkpoint of this project by its path, any other by its name alone."""
    known = weights.parts[:2] == ("results", "models")
    facts = {"weights": weights.as_posix() if known else weights.name, "weights_sha256": artifacts.digest(weights)}
    return facts | ({"new_head": True} if new_head else {})


def _start(name: str, brought: Path | None, recipe: dict, facts: dict, images: ImageSet) -> tuple[Classifier, bool]:
    """Return the model before training (from a file, from timm's weights or from scratch), and whether the head of a
    file was left out because it has other classes."""
    classes, size = len(facts["classes"]), facts["size"]
    if brought is not None:
        if recipe["epochs"]:
            return adapted(name, classes, size, brought)
        return load(name, classes, size, brought), False
    model = build(name, classes, size, pretrained=recipe["weights"] == "pretrained")
    if recipe["weights"] == "scratch":
        mean, std = _moments(images)
        model.mean.copy_(mean.view(1, -1, 1, 1).expand_as(model.mean))
        model.std.copy_(std.view(1, -1, 1, 1).expand_as(model.std))
    return model, False


def _moments(images: ImageSet) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and standard deviation of each channel of training images, in [0, 1]; one image in memory at a time."""
    sums = np.zeros((2, images.pixels.shape[1]))
    for row in images.rows:
        image = images.pixels[row].astype(np.float64) / 255
        sums += [image.mean(axis=(1, 2)), (image**2).mean(axis=(1, 2))]
    mean, square = sums / len(images.rows)
    return torch.tensor(mean).float(), torch.tensor(np.sqrt(np.maximum(square - mean**2, 1e-6))).float()


def _labels(manifest: pd.DataFrame, classes: int | None) -> torch.Tensor:
    """int64 [images], or bool [images, classes] where an image can have several labels."""
    if classes is not None:
        return torch.from_numpy(truth(manifest, classes))
    return torch.tensor(manifest["label"].to_numpy("int64"))
