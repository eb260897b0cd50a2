"""A cue that is not disease, drawn into images so that one can see whether an audit and a heatmap find it."""

import numpy as np
import pandas as pd
from scipy import ndimage

from heatproof.core.draws import generator
from heatproof.core.messages import InputError, steps

_SIDE = 0.06  # of the image: the height of a letter
_MARGIN = 0.02  # of the image, between letters and edge; as much again is jitter
_LETTERS = {
    "R": ("####.", "##.##", "####.", "##.#.", "##.##"),
    "A": (".###.", "##.##", "#####", "##.##", "##.##"),
    "P": ("####.", "##.##", "####.", "##...", "##..."),
}
_MARK = np.array([[pixel == "#" for pixel in row] for row in _LETTERS["R"]])
_TAG = np.array([[pixel == "#" for pixel in ".".join(rows)] for rows in zip(_LETTERS["A"], _LETTERS["P"], strict=True)])
_RIM = 0.4  # half diagonals from the centre, where a vignette begins


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

    Args:
        pixels: uint8 [channels, size, size]; it is not changed.
        rng: of this image alone.
        kind: one of `CUES`.

    Returns:
        pixels: uint8 [channels, size, size]; and whether the cue is there.
    """
    if kind not in CUES:
        raise ValueError(f"a shortcut is one of {', '.join(CUES)}, not {kind!r}")
    drawn = bool(rng.random() < (rate if label == marked else 1 - rate))
    return (CUES[kind](pixels, rng), True) if drawn else (pixels, False)


def zone(size: int, kind: str) -> np.ndarray:
    """Bool [size, size]: every pixel that a cue of this kind can change; of a vignette those that it darkens by more
    than half as much as the corners.

    Raises:
        InputError: the cue changes the whole image, so that it has no place.

    Example:
        >>> [int(zone(64, kind).sum()) for kind in ("corner_mark", "text_tag", "vignette")]
        [49, 91, 2144]
    """
    found = np.zeros((size, size), bool)
    reach, start = round(2 * _MARGIN * size) + _side(size), round(_MARGIN * size)
    if kind == "corner_mark":
        found[start:reach, start:reach] = True
    elif kind == "text_tag":
        width = round(2 * _MARGIN * size) + _drawn(_TAG, size).shape[1]
        found[-reach : size - start, -width : size - start] = True
    elif kind == "vignette":
        found = _vignetted(size) > 0.5
    else:
        raise InputError(f"data.regions: a cue of kind {kind} changes the whole image and has no place; leave cue out")
    return found


def _corner_mark(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw a letter R in the upper left corner, like a radiographer's side marker: 6 % of the side, 2 to 4 % from the
    edges."""
    row, column = (round(offset * pixels.shape[-1]) for offset in rng.uniform(_MARGIN, 2 * _MARGIN, 2))
    return _written(pixels, _drawn(_MARK, pixels.shape[-1]), row, column)


def _text_tag(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw the letters AP, of the view position, in the lower right corner, as large and as far from the edges."""
    size, text = pixels.shape[-1], _drawn(_TAG, pixels.shape[-1])
    row, column = (round(offset * size) for offset in rng.uniform(_MARGIN, 2 * _MARGIN, 2))
    return _written(pixels, text, size - row - text.shape[0], size - column - text.shape[1])


def _vignette(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Darken the image towards its corners, where it loses 60 to 90 % of its light."""
    return np.rint(pixels * (1 - rng.uniform(0.6, 0.9) * _vignetted(pixels.shape[-1]))).astype(np.uint8)


def _blur(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Blur the image by a Gaussian whose standard deviation is 0.6 to 1 % of the side."""
    sigma = rng.uniform(0.006, 0.010) * pixels.shape[-1]
    return np.rint(ndimage.gaussian_filter(pixels.astype(float), (0, sigma, sigma))).astype(np.uint8)


def _noise(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Add Gaussian noise with a standard deviation of 5 to 8 grey levels, independent from pixel to pixel."""
    noise = rng.uniform(5, 8) * rng.standard_normal(pixels.shape[1:])
    return np.rint(np.clip(pixels + noise, 0, 255)).astype(np.uint8)


def _contrast(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Lift the mid-tones by a gamma of 0.8 to 0.9, as another display curve does; black and white stay."""
    return np.rint(255 * (pixels / 255) ** rng.uniform(0.8, 0.9)).astype(np.uint8)


# the first three have a place; the others change the whole image
CUES = {
    "corner_mark": _corner_mark,
    "text_tag": _text_tag,
    "vignette": _vignette,
    "blur": _blur,
    "noise": _noise,
    "contrast": _contrast,
}


def _written(pixels: np.ndarray, letters: np.ndarray, row: int, column: int) -> np.ndarray:
    """Letters in white, or in black where they would lie on white."""
    place = np.s_[:, row : row + letters.shape[0], column : column + letters.shape[1]]
    result = pixels.copy()
    result[place] = np.where(letters, 255 if np.median(pixels[place]) < 192 else 0, pixels[place])
    return result


def _drawn(letters: np.ndarray, size: int) -> np.ndarray:
    """Letters of the height that an image of this size asks for."""
    scale = _side(size) / len(letters)
    return ndimage.zoom(letters.astype(np.uint8), scale, order=0, grid_mode=True, mode="nearest") > 0


def _side(size: int) -> int:
    return max(5, round(_SIDE * size))


def _vignetted(size: int) -> np.ndarray:
    """How much a vignette darkens each pixel, float [size, size]: 0 in the middle, 1 in the corners."""
    axis = (np.arange(size) + 0.5) / size * 2 - 1
    distance = np.hypot(*np.meshgrid(axis, axis)) / np.sqrt(2)  # in half diagonals
    return np.sqrt(np.clip((distance - _RIM) / (1 - _RIM), 0, 1))


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
