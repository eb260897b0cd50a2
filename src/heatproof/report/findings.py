"""What the audit found, in sentences, alarms first."""

from heatproof.report import data_words, words

LEVELS = ("alarm", "note", "fine")
ON_TOP = 3  # alarms that the first screen has room for
AT_ONCE = 6  # findings that the section shows unfolded; all alarms are


def ordered(audit: dict) -> list[dict]:
    """What the audit said and, among the notes, which cue was planted: alarms, then notes, then what is fine."""
    more = [{"level": "note", "text": text} for text in [shortcut(audit)] if text]
    return sorted([*audit["sentences"], *more], key=lambda row: LEVELS.index(row["level"]))


def parted(audit: dict) -> tuple[list[dict], list[dict]]:
    """The findings to show at once, and the rest."""
    found = ordered(audit)
    cut = max(AT_ONCE, sum(row["level"] == "alarm" for row in found))
    return found[:cut], found[cut:]


def notes(audit: dict) -> int:
    """How many findings are no alarm and yet have to be known."""
    return sum(row["level"] == "note" for row in ordered(audit))


def alarms(audit: dict) -> tuple[list[str], int]:
    """What must be known before anything else, at most `ON_TOP` sentences, and how many more there are."""
    texts = [row["text"] for row in audit["sentences"] if row["level"] == "alarm"]
    return texts[:ON_TOP], max(0, len(texts) - ON_TOP)


def shortcut(audit: dict) -> str | None:
    """The cue that was put in on purpose."""
    found = audit["shortcut"]
    if not found:
        return None
    label = found["label"] or list(audit["classes"])[-1]
    return (
        f"A cue was put in on purpose: {data_words.cue(found['kind'])} of {words.share(found['rate'])} of the images "
        f"of class {label} and of {words.share(1 - found['rate'])} of all others. It has nothing to do with disease; "
        f"simple classifiers and honest heatmaps must find it."
    )
