"""Word statements about a second reader, the yardstick for heatmaps."""

from heatproof.text import numbers
from heatproof.text.words import View, capital, template


@template("readers.agreement")
def agreement(view: View) -> str:
    score = numbers.interval(view.get("value"), view.get("low"), view.get("high"))
    over = view.unit + ("" if view.number("patients_known") else ", as patients are not known")
    missed = f"; the second reader drew nothing in {view.count('missed', 'region')}" if view.number("missed") else ""
    cases = view.count("cases", "region")
    return f"A second reader agrees with the truth at {view.metric()} {score} ({cases}; intervals over {over}){missed}."


@template(*(f"readers.{outcome}" for outcome in ("as_good", "better", "worse", "open", "untested")))
def beside_reader(view: View) -> str:
    """Compare a method with a second reader.

    >>> from heatproof.core.statements import Statement
    >>> numbers = {"share": 0.6, "low": 0.5, "high": 0.7, "heatmap": 0.3, "reader": 0.5, "groups": 20}
    >>> subjects = {"metric": ("iou",), "model": ("ResNet-50",), "method": ("Grad-CAM",), "unit": ("patient",)}
    >>> beside_reader(View(Statement("readers.worse", subjects, numbers)))  # doctest: +ELLIPSIS
    "IoU of Grad-CAM for ResNet-50 is 0.30, 60% [50%, 70%] of a second reader's 0.50: significantly worse..."
    """
    scores = numbers.number(view.number("heatmap"))
    ends = f" [{numbers.share(view.get('low'))}, {numbers.share(view.get('high'))}]" if view.has("low") else ""
    percent = f"{numbers.share(view.get('share'))}{ends} of " if view.has("share") else ""
    reader = numbers.number(view.number("reader"))
    outcome = {
        "readers.as_good": f"equivalent within {view.get('margin') or 0:g}",
        "readers.better": "significantly better",
        "readers.worse": "significantly worse",
        "readers.open": "undecided whether it is equivalent",
        "readers.untested": "too few to test",
    }[view.kind]
    groups = view.units("groups")
    beside = f"{percent or 'compared with '}a second reader's {reader}"
    heatmap = f"{capital(view.metric())} of {view.one('method')} for {view.one('model')} is {scores}"
    return f"{heatmap}, {beside}: {outcome} ({groups})."
