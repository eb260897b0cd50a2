"""Statements about a second reader as sentences: one template a kind."""

from heatproof.catalogue.metrics import METRICS
from heatproof.core.statements import Statement
from heatproof.text.numbers import UNITS, counted, finite, interval, number, share

COMPARED = "{method} of {model} {scored} by {metric}, {percent}of a second reader's {reader}"
TEMPLATES = {
    "readers.agreement": "Second readers agree with the truth by {metric} of {score} ({cases}; intervals over {over})"
    "{missed}.",
    "readers.as_good": f"{COMPARED}: as good, within {{margin}} ({{groups}}).",
    "readers.better": f"{COMPARED}: better ({{groups}}).",
    "readers.worse": f"{COMPARED}: not as good ({{groups}}).",
    "readers.open": f"{COMPARED}: whether it is as good is open ({{groups}}).",
    "readers.untested": f"{COMPARED}: too few for a test ({{groups}}).",
}


def sentence(statement: Statement, patients_known: bool = True) -> str:
    """Return a statement of `stats.tests.readers` in words.

    Args:
        patients_known: whether groups are patients.

    >>> numbers = {"share": 0.6, "low": 0.5, "high": 0.7, "heatmap": 0.3, "reader": 0.5, "margin": 0.05, "groups": 20}
    >>> subjects = {"metric": ("iou",), "model": ("ResNet-50",), "method": ("Grad-CAM",), "over": ("patient",)}
    >>> sentence(Statement("readers.worse", subjects, numbers))
    "Grad-CAM of ResNet-50 scores 0.30 by IoU, 60% [50%, 70%] of a second reader's 0.50: not as good (20 patients)."
    """
    numbers, [metric], [over] = statement.numbers, statement.subjects["metric"], statement.subjects["over"]
    one, many = UNITS[over]
    words = {"metric": METRICS[metric].short or metric.replace("_", " ")}
    if statement.kind == "readers.agreement":
        missed = numbers["missed"]
        return TEMPLATES[statement.kind].format(
            **words,
            score=interval(numbers["value"], numbers["low"], numbers["high"]),
            cases=counted(int(numbers["cases"]), "region"),
            over=many + ("" if patients_known else ", as patients are not known"),
            missed=f"; in {counted(int(missed), 'region')} the second reader drew nothing" if missed else "",
        )
    ends = f" [{share(numbers['low'])}, {share(numbers['high'])}]" if finite(numbers["low"]) else ""
    return TEMPLATES[statement.kind].format(
        **words,
        method=statement.subjects["method"][0],
        model=statement.subjects["model"][0],
        scored=f"scores {number(numbers['heatmap'])}",
        percent=f"{share(numbers['share'])}{ends} " if finite(numbers["share"]) else "",
        reader=number(numbers["reader"]),
        margin=f"{numbers['margin']:g}",
        groups=counted(int(numbers["groups"]), one, many),
    )
