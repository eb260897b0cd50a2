"""Sentences about a second reader, the yardstick beside heatmaps."""

from heatproof.text import numbers
from heatproof.text.words import View, template


@template("readers.agreement")
def agreement(view: View) -> str:
    score = numbers.interval(view.get("value"), view.get("low"), view.get("high"))
    over = view.unit + ("" if view.number("patients_known") else ", as patients are not known")
    missed = f"; in {view.count('missed', 'region')} the second reader drew nothing" if view.number("missed") else ""
    cases = view.count("cases", "region")
    return (
        f"Second readers agree with the truth by {view.metric()} of {score} ({cases}; intervals over {over}){missed}."
    )


@template(*(f"readers.{outcome}" for outcome in ("as_good", "better", "worse", "open", "untested")))
def beside_reader(view: View) -> str:
    """
    >>> from heatproof.core.statements import Statement
    >>> numbers = {"share": 0.6, "low": 0.5, "high": 0.7, "heatmap": 0.3, "reader": 0.5, "groups": 20}
    >>> subjects = {"metric": ("iou",), "model": ("ResNet-50",), "method": ("Grad-CAM",), "unit": ("patient",)}
    >>> beside_reader(View(Statement("readers.worse", subjects, numbers)))
    "Grad-CAM of ResNet-50 scores 0.30 by IoU, 60% [50%, 70%] of a second reader's 0.50: not as good (20 patients)."
    """
    scores = numbers.number(view.number("heatmap"))
    ends = f" [{numbers.share(view.get('low'))}, {numbers.share(view.get('high'))}]" if view.has("low") else ""
    percent = f"{numbers.share(view.get('share'))}{ends} of " if view.has("share") else ""
    reader = numbers.number(view.number("reader"))
    outcome = {
        "readers.as_good": f"as good, within {view.get('margin') or 0:g}",
        "readers.better": "better",
        "readers.worse": "not as good",
        "readers.open": "whether it is as good is open",
        "readers.untested": "too few for a test",
    }[view.kind]
    groups = view.units("groups")
    beside = f"{percent}a second reader's {reader}" if percent else f"beside a second reader's {reader}"
    heatmap = f"{view.one('method')} of {view.one('model')} scores {scores} by {view.metric()}"
    return f"{heatmap}, {beside}: {outcome} ({groups})."
