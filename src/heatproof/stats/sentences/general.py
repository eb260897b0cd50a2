"""Sentences that hold for every family and method: who takes part, what the tests rest on, how far they reach, and in
which setting."""

from heatproof.data.sources.places import GIVEN
from heatproof.stats.sentences.words import KEPT_TOGETHER, cause, counted, joined, shown, span, unit
from heatproof.stats.tests.architectures import MIN_SEEDS


def judged(summary: dict) -> list[str]:
    """The models that take part in verdicts."""
    return [model for model, row in summary["models"].items() if row["competent"]]


def measure(summary: dict) -> str:
    """What competence is judged by, in words."""
    return summary["competence"].get("measure", "balanced accuracy")


def thresholds(summary: dict) -> tuple[str, str]:
    """The balanced accuracy (or what `measure` says) that competence asks for, and that of guessing."""
    return shown(summary["competence"]["floor"]), shown(summary["competence"]["chance"])


def seeds_sentence(summary: dict) -> str:
    """How far verdicts from so many training seeds reach."""
    count = summary["seeds"]["count"]
    trained = "was trained from"
    if not all(summary.get("setting", {}).get("epochs", {}).values()):  # by whom and how is not known here
        trained = "has checkpoints of"
    if count < MIN_SEEDS:
        return (
            f"Every model {trained} {counted(count, 'seed')}: verdicts from fewer than {MIN_SEEDS} "
            f"seeds speak of these checkpoints, not of architectures."
        )
    return (
        f"Every model {trained} {count} seeds: differences are tested against the variance between seeds as "
        f"well as between {unit(summary)}, and verdicts speak of architectures."
    )


def groups_sentence(summary: dict) -> str:
    """Whether the groups that the tests rest on are independent."""
    count, kind = summary["groups_test"], summary["groups"]["kind"]
    where = "in the test split" if summary["folds"] == 1 else f"tested once each, over {summary['folds']} folds"
    if kind == "patient":
        text = f"All tests are on means per patient ({counted(count, 'patient')} {where})."
        if summary["groups"]["split_by"] == "random":
            text += " The split ignores patients: images of one stand in training and test, so accuracies are too high."
        return text
    if kind == "lookalike" and summary["groups"]["patients_known"]:
        return f"All tests are on means of {unit(summary)}, each of whole patients ({count} {where})."
    if kind == "lookalike":
        text = f"Look-alike clusters are not patients: the tests are on means of {unit(summary)} ({count} {where})"
        again = "may lie in several of them"
    else:
        text = f"Patients are not known, and the split is random: the tests are on single images ({count} {where})"
        again = "may count several times"
    return (
        f"{text}, and images of one patient {again}, so p values may be too small, "
        f"and may stand in training and test, so accuracies may be too high."
    )


def comparison_sentence(summary: dict) -> str:
    """What the same models score on a random split, on the split of the study, and what the difference means."""
    found = summary["comparison"]
    random, grouped, clear = found["random"], found["grouped"], found["clear"]
    kept = f"with {KEPT_TOGETHER[summary['groups']['kind']]} kept together"
    if summary["groups"]["split_by"] in GIVEN:
        kept = "under the split that came with the images"
    text = (
        f"Under a random split the same {'models reach' if len(random) > 1 else 'model reaches'} a balanced accuracy "
        f"of {span(list(random.values()))}, {kept} {span(list(grouped.values()))}: "
    )
    fall = span([found["fall"][model] for model in clear or random])
    if len(clear) == len(random):
        return f"{text}the difference, {fall}, is what a random split hides."
    others = [model for model in random if model not in clear]
    if clear:
        return (
            f"{text}the difference for {joined(clear)}, {fall}, is what a random split hides; for {joined(others)} "
            f"it could be chance."
        )
    return f"{text}the difference could be chance."


def left_out_sentence(summary: dict) -> str | None:
    """The models that no verdict speaks of."""
    names = [model for model, row in summary["models"].items() if not row["competent"]]
    if not names:
        return None
    if reason := summary["competence"].get("reason"):
        return f"{joined(names)} {'is' if len(names) == 1 else 'are'} left out of every verdict: {reason}."
    floor, chance = thresholds(summary)
    are, whose = ("is", "its trainings") if len(names) == 1 else ("are", "the trainings of each")
    return (
        f"{joined(names)} {are} left out of every verdict: the {measure(summary)} of at least one of {whose} is not "
        f"surely above the floor of {floor} (guessing scores {chance})."
    )


def refusal_sentences(summary: dict, method: str) -> list[str]:
    """Which models a method refuses, a line a reason."""
    by_reason: dict[str, list[str]] = {}
    for model, reason in summary["refused"].get(method, {}).items():
        by_reason.setdefault(reason, []).append(model)
    everyone = len(summary["models"]) if len(summary["models"]) > 1 else 0
    return [
        f"No heatmaps of {'any model' if len(models) == everyone else joined(models)}: {cause(reason)}."
        for reason, models in by_reason.items()
    ]


def methods_sentence(summary: dict) -> str | None:
    """What several methods do to the tests."""
    count = len(summary["methods"])
    if count < 2:
        return None
    return f"{count} explanation methods were tested, each by itself: p values are not corrected for their number."


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
        f"(data.split.by: column or folder), or, if none of these images was used for training, "
        f"data.split: {{test: all, unseen: true}}."
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
