"""`heatproof data`: manifest, pixels and masks of one study."""

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd

from heatproof import artifacts
from heatproof.data.records import Image, Record
from heatproof.data.split import split_groups
from heatproof.errors import InputError
from heatproof.progress import steps


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--study", required=True)
    parser.add_argument("--config", required=True, type=json.loads, help="section data, as JSON")


def run(args: argparse.Namespace) -> None:
    config, folder = args.config, artifacts.data_dir(args.study)
    classes, records = _records(args.study, config)
    size, count = config["size"], len(records)
    shape = (count, config["channels"], size, size)
    images: list[Image] = []
    mistakes: list[str] = []
    pixels_path, masks_path = folder / "pixels.npy", folder / "masks.npy"
    with (
        artifacts.writing_array(pixels_path, shape, "uint8") as pixels,
        artifacts.writing_array(masks_path, (count, size, size), "bool") as masks,
    ):
        for row, record in enumerate(steps(records, count, f"{args.study}: images")):
            try:
                image = record.read()
            except InputError as error:
                mistakes.append(str(error))
                continue
            pixels[row] = image.pixels
            if image.mask is not None:
                masks[row] = image.mask
            images.append(Image(np.empty(0), np.array(masks[row].any()), image.width, image.height, image.sha256))
        if mistakes:
            raise InputError("\n".join(mistakes))
    manifest = _manifest(args.study, config, classes, records, images)
    artifacts.write_table(folder / "manifest.parquet", manifest, artifacts.MANIFEST)
    # not in digest.json: what changes the source but not its images re-runs nothing else
    artifacts.write_json(folder / "source.json", {"fingerprint": config.get("fingerprint")})
    artifacts.write_json(
        folder / "digest.json",
        {
            "classes": classes,
            "channels": config["channels"],
            "size": size,
            "images": count,
            "sha256": {
                path.name: artifacts.digest(path) for path in (folder / "manifest.parquet", pixels_path, masks_path)
            },
        },
    )


def _records(study: str, config: dict) -> tuple[list[str], list[Record]]:
    if config["kind"] == "phantom":
        from heatproof.data import phantom

        return list(phantom.CLASSES), phantom.list_records(
            study, config["seed"], size=config["size"], **config["phantom"]
        )
    from heatproof.data import images

    options = {key: config[key] for key in ("masks", "patient", "size", "channels", "fit")}
    return list(config["classes"]), images.list_records(
        Path(config["source"]), config["kind"], config["classes"], **options
    )


def _manifest(study: str, config: dict, classes: list[str], records: list[Record], images: list[Image]) -> pd.DataFrame:
    frame = pd.DataFrame(
        {
            "image_id": [record.image_id for record in records],
            "sha256": [image.sha256 for image in images],
            "source": [record.source for record in records],
            "label": [record.label for record in records],
            "group": [record.group for record in records],
            "truth": ["mask" if image.mask else "none" for image in images],
            "width": [image.width for image in images],
            "height": [image.height for image in images],
        }
    )
    frame["split"] = split_groups(frame["label"], frame["group"], config["split"], classes, study, config["seed"])
    return frame[list(artifacts.MANIFEST)]
