"""`heatproof score`: reads the heatmaps of a model, scores them by one family of metrics, writes the scores."""

import argparse
import json
from collections.abc import Iterator

from heatproof import progress
from heatproof.errors import InputError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `run`."""
    parser.add_argument("family", choices=list(FAMILIES), help="which metrics to compute")
    parser.add_argument("--study", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--fold", required=True, help="which split: a column of the manifest")
    parser.add_argument("--seed", type=int, help="the checkpoint (localization and faithfulness)")
    parser.add_argument(
        "--seeds", type=int, nargs="+", help="the checkpoints to compare, the reference first (consistency)"
    )
    parser.add_argument("--config", type=json.loads, default={}, help="section `score`, as JSON (faithfulness)")
    parser.add_argument(
        "--compute",
        type=json.loads,
        default={"device": "auto", "threads": 1},
        help="section `compute`, as JSON",
    )


def run(args: argparse.Namespace) -> None:
    """Score one model by one family of metrics and write `results/scores/<study>/<model>/...`.

    Raises:
        InputError: an argument that the family needs is missing, or an artifact is missing or damaged.
    """
    needed = "seeds" if args.family == "consistency" else "seed"
    if getattr(args, needed) is None:
        raise InputError(f"{args.family}: --{needed} is missing")
    FAMILIES[args.family](args)


def _write(args: argparse.Namespace, parts: list) -> None:
    import pandas as pd

    from heatproof import artifacts

    seed = pd.NA if args.family == "consistency" else args.seed
    frame = pd.concat(parts, ignore_index=True).assign(model=args.model, seed=seed)[list(artifacts.SCORES)]
    of_seed = None if args.family == "consistency" else args.seed
    path = artifacts.score_path(args.study, args.model, args.family, args.fold, of_seed)
    artifacts.write_table(path, frame, artifacts.SCORES)


def _name(args: argparse.Namespace) -> str:
    return f"{args.study}/{args.model}/{args.seed}/{args.fold}"


def _heatmaps(args: argparse.Namespace, seed: int):
    from heatproof import artifacts
    from heatproof.score import heatmaps

    return heatmaps.read(args.study, artifacts.heatmap_dir(args.study, args.model, seed, args.fold))


def _manifest_rows(args: argparse.Namespace, image_ids):
    """The manifest's rows of some images, in their order, indexed by their place in the pixel array."""
    from heatproof import artifacts

    manifest = artifacts.read_manifest(args.study, args.fold)
    places = manifest.reset_index().set_index("image_id")["index"].reindex(image_ids)
    if places.isna().any():
        path, first = artifacts.data_dir(args.study) / "manifest.parquet", places.index[places.isna()][0]
        raise artifacts.ArtifactError(f"{path}: no image {first!r}, which has heatmaps; run snakemake again")
    return manifest.loc[places.astype(int)]


def _localization(args: argparse.Namespace) -> None:
    import numpy as np
    import torch

    from heatproof import artifacts
    from heatproof.score import controls, heatmaps, localization

    torch.set_num_threads(args.compute["threads"])
    source = _heatmaps(args, args.seed)
    rows = _manifest_rows(args, source.images.image_id)
    all_masks = artifacts.read_array(artifacts.data_dir(args.study) / "masks.npy")
    parts = []
    for chunk in progress.steps(
        source.chunks(),
        -(-len(source) // heatmaps.CHUNK),
        f"{_name(args)}: localization, parts",
    ):
        truth = rows.iloc[chunk].truth.to_numpy() != "none"  # a box is a mask by now
        masks = torch.from_numpy(all_masks[rows.index[chunk]] & truth[:, None, None])
        covered = masks.flatten(1).any(1).numpy()
        untrue = np.where(truth, np.where(covered, "", "empty truth mask"), "no truth")
        stacks = source.stacks(chunk)
        stacks[controls.CEILING] = heatmaps.checked(controls.ceiling(masks, source.grid))
        for method, (maps, reasons) in stacks.items():
            values = {name: metric(maps, masks) for name, metric in localization.METRICS.items()}
            why = [a or b for a, b in zip(untrue, reasons, strict=True)]
            images = source.images.iloc[chunk]
            parts.append(heatmaps.scores(images, method, values, why, localization.UNDEFINED))
    _write(args, parts)


def _faithfulness(args: argparse.Namespace) -> None:
    import torch

    from heatproof import artifacts
    from heatproof.score import faithfulness, heatmaps
    from heatproof.score.subset import spread
    from heatproof.train.checkpoint import load_trained
    from heatproof.train.model import pick_device, prepare

    options = args.config["faithfulness"]
    prepare(args.compute["threads"])
    model, _ = load_trained(args.study, args.model, args.seed, args.fold, pick_device(args.compute["device"]))
    device = model.mean.device
    source = _heatmaps(args, args.seed)
    chosen = spread(args.study, list(source.images.image_id), list(source.images.group), options["images"])
    images = source.images.iloc[chosen]
    rows = _manifest_rows(args, images.image_id)
    pixels = artifacts.read_array(artifacts.data_dir(args.study) / "pixels.npy")
    reasons: dict[str, list[str]] = {}

    def cases() -> Iterator[faithfulness.Case]:
        for i in range(len(chosen)):
            stacks = source.stacks(chosen[i : i + 1])
            for method, (_, reason) in stacks.items():
                reasons.setdefault(method, []).extend(reason)
            image = torch.from_numpy(pixels[rows.index[i]].copy()).to(device).float() / 255
            maps = torch.cat([maps for maps, _ in stacks.values()]).to(device)
            yield image, maps, int(images.target.iloc[i])

    responses = faithfulness.responses(
        model, cases(), steps=options["steps"], baseline=options["baseline"], batch_size=options["batch_size"]
    )
    by_image = [
        torch.stack([metric(response) for metric in faithfulness.METRICS.values()])
        for response in progress.steps(responses, len(chosen), f"{_name(args)}: faithfulness, images")
    ]
    parts = []
    for method, values in zip(reasons, torch.stack(by_image, dim=-1).unbind(1), strict=True):
        of_metric = dict(zip(faithfulness.METRICS, values, strict=True))
        parts.append(heatmaps.scores(images, method, of_metric, reasons[method], faithfulness.UNDEFINED))
    _write(args, parts)


def _consistency(args: argparse.Namespace) -> None:
    import torch

    from heatproof import artifacts
    from heatproof.score import controls, heatmaps
    from heatproof.score.consistency import METRICS

    torch.set_num_threads(args.compute["threads"])
    sources = [_heatmaps(args, seed) for seed in args.seeds]
    first = sources[0]
    for seed, source in zip(args.seeds, sources, strict=True):
        if not source.images.equals(first.images) or source.methods != first.methods:
            raise artifacts.ArtifactError(
                f"{artifacts.heatmap_dir(args.study, args.model, seed, args.fold)}: other images or methods than seed "
                f"{args.seeds[0]} has; delete the folder and run again"
            )
    parts = []
    for chunk in progress.steps(
        first.chunks(), -(-len(first) // heatmaps.CHUNK), f"{args.study}/{args.model}/{args.fold}: consistency, parts"
    ):
        by_seed = [source.stacks(chunk, seed) for seed, source in zip(args.seeds, sources, strict=True)]
        for method in by_seed[0]:
            # an image's own map by one seed against the other image's map by the next seed
            left = first.methods[0] if method == controls.OTHER_IMAGE else method
            own, others = ([stacks[name] for stacks in by_seed] for name in (left, method))
            maps, other_maps = (torch.stack([maps for maps, _ in stacks]) for stacks in (own, others))
            values = {name: metric(maps, other_maps) for name, metric in METRICS.items()}
            compared = [reasons for _, reasons in own[:-1] + others[1:]] or [["one seed"] * len(chunk)]
            why = [next(filter(None, found), "") for found in zip(*compared, strict=True)]
            parts.append(heatmaps.scores(first.images.iloc[chunk], method, values, why))
    _write(args, parts)


FAMILIES = {"localization": _localization, "faithfulness": _faithfulness, "consistency": _consistency}
