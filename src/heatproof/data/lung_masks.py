"""Lungs as the masks of a source have them (`data.lungs`), image by image."""

from collections.abc import Callable

import numpy as np

from heatproof import artifacts
from heatproof.data.preprocess import preprocess, to_uint8
from heatproof.data.reading.sources import list_lungs


def read_lungs(study: str, config: dict) -> Callable[[int], np.ndarray]:
    """Return what reads the lungs of the image in a row of the manifest from the masks of `data.lungs`.

    They are bool [height, width], cut and scaled as the image was; nowhere True where an image has no such mask.
    """
    records = {record.image_id: record for record in list_lungs(study, config)}
    ids = artifacts.read_manifest(study)["image_id"]
    options = {key: config[key] for key in ("size", "channels", "crop", "fit")}

    def read(row: int) -> np.ndarray:
        image = records[ids[row]].read()
        pixels, mask, _ = preprocess(to_uint8(image, config["window"]), image.mask, **options)
        return np.zeros(pixels.shape[1:], bool) if mask is None else mask

    return read
