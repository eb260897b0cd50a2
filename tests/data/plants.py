"""Phantom slices without lesions, to plant into."""

import numpy as np
import pandas as pd

from heatproof.core.draws import generator
from heatproof.data.synthetic import phantom

OPTIONS = {"radius": (0.03, 0.07), "contrast": (90.0, 150.0)}


def base(patient: int, size: int = 64, z: float = 0.0) -> np.ndarray:
    """uint8 [size, size]."""
    anatomy, _ = phantom.draw_patient("base", 0, patient, "normal")
    return phantom.render(anatomy, None, z, size, generator("noise", patient, z))[0]


def study(patients: int, slices: int = 2, size: int = 64) -> tuple[pd.DataFrame, np.ndarray]:
    """Manifest columns and pixels uint8 [images, 1, size, size] of several slices each of some patients."""
    names = [(patient, index) for patient in range(patients) for index in range(slices)]
    pixels = np.stack([base(patient, size, z=index / 4)[None] for patient, index in names])
    frame = pd.DataFrame(
        {
            "image_id": [f"p{patient:03d}_{index}" for patient, index in names],
            "source": [f"p{patient:03d}/{index}.png" for patient, index in names],
            "group": [f"p{patient:03d}" for patient, _ in names],
        }
    )
    return frame, pixels


def config(**planted) -> dict:
    """Section `data` of a planted study."""
    return {
        "source": "slices.zip",
        "seed": 0,
        "planted": {"share": 0.5, "radius": [0.03, 0.07], "contrast": [90, 150]} | planted,
    }
