"""The setting of a study in a sentence: from which weights, on how many pixels, how long and how often it trained."""

from heatproof.stats.words import counted, joined

BROUGHT, TAKEN = "brought", "taken"
PHRASES = {  # where a training starts -> how that is said of it, and in few words
    "scratch": ("trained from scratch, without pretrained weights,", "trained from scratch without pretrained weights"),
    "pretrained": ("trained from pretrained weights", "trained from pretrained weights"),
    BROUGHT: ("trained from weights that were brought,", "trained from weights that were brought"),
    TAKEN: ("checkpoints that were brought,", "checkpoints that were brought"),
}


def setting_numbers(setting: dict) -> dict:
    """The setting as given, with a `sentence`, and a `short` form of it.

    Args:
        setting: weights (model -> scratch, pretrained or brought), epochs (model -> whole number; none of a checkpoint
            that is taken as it was brought), size (pixels a side), seeds, text: the study's own words or "", and
            unstated: the checkpoints of which nobody has stated that they have not seen the test images, if there are
            any.
    """
    starts: dict[str, list[str]] = {}
    for model, weights in setting["weights"].items():
        start = TAKEN if weights == BROUGHT and setting["epochs"][model] == 0 else weights
        starts.setdefault(start, []).append(model)
    size, seeds = f"{setting['size']} x {setting['size']} pixels", counted(len(setting["seeds"]), "seed")
    every = _epochs(setting, list(setting["weights"]))
    if len(starts) == 1:
        (phrase,) = (PHRASES[start][0] for start in starts)
        sentence = f"{phrase[0].upper()}{phrase[1:]} on {size}{every and f' for {every}'}, from {seeds}."
    else:
        parts = [_part(setting, start, models) for start, models in starts.items()]
        sentence = f"By model: {'; '.join(parts)}; all on {size}, from {seeds}."
    brief = [" or ".join(PHRASES[start][1] for start in starts), size, *filter(None, [every]), seeds]
    text = setting["text"].strip()
    return setting | {
        "sentence": f"{sentence} {text}".strip(),
        "short": f"In the setting of this study: {', '.join(brief)}.",
    }


def subject(setting: dict) -> str:
    """Name whom a verdict on these training runs speaks of, as the beginning of its sentence."""
    return "As trained here, " if all(setting.get("epochs", {}).values()) else "For these checkpoints, "


def unstated_sentence(setting: dict) -> str | None:
    """Say why nothing is known about the accuracy of checkpoints on unseen images; None where it is known."""
    models = setting.get("unstated")
    if not models:
        return None
    were = "checkpoint was" if len(models) == 1 else "checkpoints were"
    return (
        f"Accuracy on unseen images is not known for {joined(models)}: which images the {were} trained on is not "
        f"stated, so test images may be among them, and accuracies here may be too high. State the split "
        f"(data.split.by: column or folder), or set data.split.test: all if none of these images was used for training."
    )


def _part(setting: dict, start: str, models: list[str]) -> str:
    """Of several ways to start, one with its models."""
    epochs = _epochs(setting, models)
    return f"{joined(models)} {PHRASES[start][0]} for {epochs}" if epochs else f"{joined(models)} {PHRASES[start][1]}"


def _epochs(setting: dict, models: list[str]) -> str:
    """`8 epochs`, `2 to 12 epochs`, or nothing where none was trained."""
    found = [setting["epochs"][model] for model in models if setting["epochs"][model]]
    if not found:
        return ""
    low, high = min(found), max(found)
    return counted(low, "epoch") if low == high else f"{low} to {high} epochs"
