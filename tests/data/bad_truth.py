"""Masks and boxes that cannot be used, and what is said of them; {at} stands for the source."""

from pathlib import Path

import numpy as np
from data.making import CLASSES, FILES, NOISE, Case, array, encoded, gray, npy, write_folder
from PIL import Image

from heatproof.data.sources import images
from heatproof.data.sources.trees import open_tree


def masked(content: bytes, suffix: str = ".png") -> Case:
    """The truth of an image of 40x30 pixels."""

    def case(folder: Path) -> tuple:
        source = write_folder(folder / "in", FILES | {f"masks/肺{suffix}": content})
        listed = {r.image_id: r for r in images.list_records(open_tree(source), CLASSES, masks="masks")[0]}
        return source, listed["Malignant/肺"].read

    return case


def boxed(*rows: str) -> Case:
    """Boxes of the same image."""

    def case(folder: Path) -> tuple:
        content = "\n".join(["path,x,y,width,height", *rows]).encode()
        source = write_folder(folder / "in", FILES | {"boxes.csv": content})
        return source, lambda: images.list_records(open_tree(source), CLASSES, boxes="boxes.csv")[0][0].read()

    return case


LESION = np.zeros((30, 40), np.uint8)
LESION[:15, :20] = 255
GRAY_LEVELS = LESION + np.arange(40, dtype=np.uint8) % 3
COLOURS = np.zeros((30, 40, 3), np.uint8)
COLOURS[0, :2] = [(255, 0, 0), (0, 255, 0)]
THRESHOLD = "data.mask_threshold to the least level of the lesion"
COLOURED = f", not of 0 and 1 or 0 and 255; set {THRESHOLD}"
VALUES = f", not of 0 and 1 or 0 and 255; set data.mask_value to the value of the lesion, or {THRESHOLD}"
LEAVES = ": leaves the image of 40x30 pixels; fix or remove it"

TRUTH = {
    "mask of another size": (
        masked(gray(255, (30, 40))),
        "{at}: masks/肺.png: 30x40 pixels, its image has 40x30; fix or remove the mask",
    ),
    "array of another size": (
        masked(npy(LESION.T), ".npy"),
        "{at}: masks/肺.npy: 30x40 pixels, its image has 40x30; fix or remove the mask",
    ),
    "mask of many values": (
        masked(array(GRAY_LEVELS)),
        "{at}: masks/肺.png: a mask of 0, 1, 2, 255" + VALUES,
    ),
    "mask of many colours": (
        masked(array(COLOURS)),
        "{at}: masks/肺.png: a mask of (0 0 0), (0 255 0), (255 0 0)" + COLOURED,
    ),
    "array of many values": (
        masked(npy(np.arange(1200).reshape(30, 40) / 2), ".npy"),
        "{at}: masks/肺.npy: a mask of 0, 0.5, 1, 1.5, 2 and 1195 more" + VALUES,
    ),
    "transparent mask": (
        masked(encoded(Image.new("RGBA", (40, 30), (255, 0, 0, 0)))),
        "{at}: masks/肺.png: transparent pixels; flatten it, the lesion white and the rest black",
    ),
    "no mask": (
        masked(b"not an image"),
        "{at}: masks/肺.png: not an image (BMP, GIF, JPEG, PNG, PNM, TIFF or WebP); fix or remove it",
    ),
    "array of three dimensions": (
        masked(npy(NOISE), ".npy"),
        "{at}: masks/肺.npy: an array (30, 40, 3) of uint8; a mask has two dimensions and numbers or booleans",
    ),
    "array of objects": (
        masked(npy(np.full((30, 40), None), allow_pickle=True), ".npy"),
        "{at}: masks/肺.npy: an array (30, 40) of object; a mask has two dimensions and numbers or booleans",
    ),
    "array that is not finite": (
        masked(npy(np.full((30, 40), np.nan)), ".npy"),
        "{at}: masks/肺.npy: values that are not finite; fix or remove it",
    ),
    "truncated array": (
        masked(npy(LESION)[:500], ".npy"),
        "{at}: masks/肺.npy: an NPY array with 372 bytes of values; fix or remove it",
    ),
    "array without a head": (
        masked(b"\x93NUMPY\x01\0\x10\0{'descr': __import", ".npy"),
        "{at}: masks/肺.npy: not an NPY array; fix or remove it",
    ),
    "box outside": (
        boxed("Malignant/肺.png,0,0,5,5", "Malignant/肺.png,30,5,11,10"),
        "{at}: Malignant/肺.png: box 30 5 11 10" + LEAVES,
    ),
    "box left of the image": (boxed("Malignant/肺.png,-1,5,9,9"), "{at}: Malignant/肺.png: box -1 5 9 9" + LEAVES),
    "box without area": (
        boxed("Malignant/肺.png,3,5,0,9"),
        "{at}: Malignant/肺.png: box 3 5 0 9: no area; width and height must be above 0",
    ),
    "box of words": (
        boxed("Malignant/肺.png,3,5,1,wide", "Malignant/肺.png,3,5,1,1", ",1,1,1,1"),
        "{at}: boxes.csv: not a path and four numbers: line 2, line 4; fix them",
    ),
    "boxes without an image": (
        boxed("Malignant/x.png,3,5,1,1", "肺.png,3,5,1,1"),
        "{at}: data.boxes: 2 paths fit no image: Malignant/x.png, 肺.png; fix them",
    ),
}
