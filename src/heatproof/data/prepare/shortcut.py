"""A cue that is not disease, drawn into images so that one can see whether an audit and a heatmap find it."""

import numpy as np
import pandas as pd
from scipy import ndimage

from heatproof.core.draws import generator
from heatproof.core.messages import InputError, steps

_SIDE = 0.06  # of the image
_MARGIN = 0.02  # of the image, between mark and edge; as much again is jitter
_LETTER = np.array([[pixel == "#" for pixel in row] for row in ("####.", "##.##", "####.", "##.#.", "##.##")])


def marked_class(label: str | None, classes: list[str]) -> int:
    """Index of the class that a shortcut marks: the one called `label`, else the last.

    Raises:
        InputError: no class is called so.
    """
    if label is None:
        return len(classes) - 1
    if label not in classes:
        raise InputError(f"data.shortcut.label: no class {label!r}; it must be one of {', '.join(classes)}")
    return classes.index(label)


def apply_shortcut(
    pixels: np.ndarray, rng: np.random.Generator, label: int, *, marked: int, rate: float, kind: str = "corner_mark"
) -> tuple[np.ndarray, bool]:
    """Draw the cue into an image of class `marked` with probability `rate`, into any other with 1 - `rate`.

    A corner mark is a letter R in the upper left corner, like a radiographer's side marker: 6 % of the side, 2 to 4 %
    from the edges, white, or black where it would lie on white.

    Args:
        pixels: uint8 [channels, size, size]; it is not changed.
        rng: of this image alone.

    Returns:
        pixels: uint8 [channels, size, size]; and whether the cue is there.
    """
    if kind != "corner_mark":
        raise ValueError(f"a shortcut is a corner_mark, not {kind!r}")
    drawn = bool(rng.random() < (rate if label == marked else 1 - rate))
    top, left = rng.uniform(_MARGIN, 2 * _MARGIN, 2)
    if not drawn:
        return pixels, False
    size = pixels.shape[-1]
    side = _side(size)
    row, column = round(top * size), round(left * size)
    letter = ndimage.zoom(_LETTER.astype(np.uint8), side / len(_LETTER), order=0, grid_mode=True, mode="nearest")
    corner = pixels[:, row : row + side, column : column + side]
    ink = 255 if np.median(corner) < 192 else 0
    result = pixels.copy()
    result[:, row : row + side, column : column + side] = np.where(letter > 0, ink, corner)
    return result, True


def zone(size: int) -> np.ndarray:
    """Bool [size, size]: every pixel that a corner mark can cover."""
    reach = round(2 * _MARGIN * size) + _side(size)
    found = np.zeros((size, size), bool)
    found[round(_MARGIN * size) : reach, round(_MARGIN * size) : reach] = True
    return found


def _side(size: int) -> int:
    return max(5, round(_SIDE * size))


def mark_all(
    study: str, config: dict, classes: list[str], frame: pd.DataFrame, pixels: np.ndarray, tested: np.ndarray
) -> np.ndarray:
    """Draw the cue into the images of a study, in place.

    Args:
        config: section `data`.
        classes: names of the labels.
        frame: one row an image, with image_id and label.
        pixels: uint8 [at least images, channels, size, size].
        tested: bool [images], those of the test split, which may have a rate of their own.

    Returns:
        bool [images]: where the cue is.

    Raises:
        InputError: no class is called as `data.shortcut.label` says.
    """
    shortcut = config["shortcut"]
    marked = marked_class(shortcut["label"], classes)
    drawn, rates = np.zeros(len(frame), bool), [shortcut["rate"], shortcut["rate"]]
    if shortcut["test_rate"] is not None:
        rates[1] = shortcut["test_rate"]
    for row, item in enumerate(steps(frame.itertuples(), len(frame), f"{study}: shortcut")):
        rng = generator("shortcut", study, config["seed"], item.image_id)
        options = {"marked": marked, "rate": rates[int(tested[row])], "kind": shortcut["kind"]}
        pixels[row], drawn[row] = apply_shortcut(pixels[row], rng, int(item.label), **options)
    return drawn
