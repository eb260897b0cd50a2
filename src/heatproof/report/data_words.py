"""What the audit of the data is told with, for a reader who never heard of it."""

from typing import NamedTuple

from heatproof.data.reading.given import GIVEN

TITLE = "Can these data be believed?"
BALANCED = (
    "Balanced accuracy is the share of images recognized, averaged over the classes so that a rare class counts as "
    "much as a common one."
)
SCORES = f"{BALANCED} Brackets hold its 95% interval; chance is what guessing scores."


class Probe(NamedTuple):
    """A simple classifier, and what it goes by."""

    name: str
    sees: str


PROBES = {
    "neighbour": Probe(
        "Nearest thumbnail",
        "gives each image the class of the most similar training image, both shrunk to 32 by 32 pixels; it does well "
        "where look-alikes of test images are in training",
    ),
    "facts": Probe(
        "Facts of the file",
        "sees width, height, empty margins, colour mode, format, JPEG quality, file size, mean brightness and the "
        "outermost pixels of the thumbnail",
    ),
    "shape": Probe("Shape and margins", "sees width, height and how many rows and columns at each edge are empty"),
    "border": Probe("Outer edge", "sees the outermost ring of pixels of the thumbnail"),
    "outside": Probe("Middle blanked out", "sees the thumbnail without its middle half in both directions"),
    "nonsquare": Probe(
        "What was not square",
        "sees shape and margins, and tells images that were not square from the others of their class",
    ),
    "nonsquare_border": Probe("What was not square, outer edge", "tries the same by the outermost ring of pixels"),
    "nonsquare_outside": Probe("What was not square, middle blanked out", "tries the same without the middle half"),
    "seams": Probe(
        "Seams of plants",
        "sees only where something was blended in, a lesion or nothing; it combines what it sees in any way",
    ),
    "seams_linear": Probe("Seams, weighed", "sees the same, and adds it up with weights"),
}
BLIND = ("facts", "shape", "border")  # what they see has nothing to do with disease

COPIES = {
    "bytes": "the same file, byte for byte",
    "pixels": "the same picture, pixel by pixel",
    "lookalikes": "look-alikes (similarity {threshold} or more)",
}
KINDS = {
    "random-raw": "random, as they came",
    "random-preprocessed": "random, as models see them",
    "grouped-raw": "grouped, as they came",
    "grouped-preprocessed": "grouped, as models see them",
}
SAME = {"bytes": "the same file", "pixels": "the same picture", "lookalike": "look-alikes"}

GROUPED = {
    "patient": "all images of a patient on one side",
    "lookalike": "images that look alike on one side",
    "image": "images that look alike on one side",
    "united": "all images of a patient, and images that look alike, on one side",
}
SPLITS = {"random": "random split", "patient": "patients kept together", "lookalike": "look-alikes kept together"}
SPLITS |= {"given": "given split"}

DEALT = {
    "patient": "All images of a patient are in the same part.",
    "lookalike": "Images that look alike are in the same part. Such clusters are not patients: images of one person "
    "that do not look alike may be in two parts.",
    "image": "Images were dealt one by one, so images of one patient may be in two parts.",
    "united": "All images of a patient, and images that look alike, are in the same part.",
    "given": "This split came with the images and was not changed; the audit counts who is in two parts of it.",
    "all": "No part is for training: the study states that no model has seen any of the images.",
}
CUES = {"corner_mark": "a mark in the corner"}


def few_groups(labels: dict[str, int]) -> str:
    """Labels that could not be held to the shares of the split."""
    if not labels:
        return ""
    shown = ", ".join(f"{name} ({count})" for name, count in labels.items())
    return (
        f"Too few groups have these labels for their shares of the split to be held; they fell as they fell (groups in "
        f"brackets): {shown}."
    )


def probed(audit: dict) -> str:
    """Of several labels an image: what was asked, and of which labels."""
    if audit.get("task") != "multilabel" or not audit["probed"]:
        return ""
    asked = "every label" if audit["probed"] == audit["classes"] else ", ".join(audit["probed"])
    return f" Each classifier was asked for one label after another ({asked}); the accuracy is the mean over them."


def kept(audit: dict) -> str:
    """What stays on one side where whole groups do: a key of `GROUPED` and `DEALT`."""
    united = audit["group_kind"] == "lookalike" and audit["patients_known"]
    return "united" if united else audit["group_kind"]


def dealt(audit: dict) -> str:
    """How images came into their parts: a key of `DEALT`."""
    by = audit["split_by"]
    return "given" if by in GIVEN else {"all": "all", "random": "image"}.get(by) or kept(audit)


def parts(audit: dict, folds: int) -> str:
    """Which images everything on the page is from."""
    if audit["split_by"] == "all":
        return "Every image was tested, and everything on this page is from all of them."
    if folds > 1:
        return (
            f"The images were dealt into {folds} parts (folds). Each was the test part of one training of every model "
            f"and seed, with another to choose the best moment of training (val) and the rest to train, so that every "
            f"image is tested once, by a training that never saw it; everything on this page is from the test parts, "
            f"together."
        )
    return (
        "The images were split into parts for training, for choosing the best moment of training (val), and for "
        "testing; everything on this page is from the test part."
    )


def probe(name: str) -> Probe:
    """A probe's words; one that is not known here goes by its own name."""
    return PROBES.get(name, Probe(name.replace("_", " ").capitalize(), ""))


def cue(kind: str) -> str:
    return CUES.get(kind, kind.replace("_", " "))
