"""The answer to "may anyone believe the heatmaps?" in two or three sentences."""

from heatproof.stats.differences import verdict
from heatproof.stats.overview import lead, other_methods
from heatproof.stats.sentences import (
    against_controls,
    judged,
    left_out_sentence,
    thresholds,
    unjudged,
    values,
    verdicts,
)
from heatproof.stats.words import CONTROL_NAMES, plain, span


def headline(summary: dict) -> list[str]:
    """The answer of the first method: who beats the controls, whether models differ; the other methods in a line or
    two; then who is left out."""
    left_out = [text for text in [left_out_sentence(summary)] if text]
    if not judged(summary):
        floor, chance = thresholds(summary)
        return [
            f"No heatmap of this study can be judged: no model is competent with all its trainings (the low end of "
            f"each interval of balanced accuracy has to lie above {floor}; guessing scores {chance})."
        ]
    method = lead(summary)
    texts, family = _answer(summary, method)
    if len(summary["methods"]) == 1:
        return texts + left_out
    others = other_methods(summary, family) if family else []
    return [f"{method}: {text}" for text in texts] + others + left_out


def _answer(summary: dict, method: str) -> tuple[list[str], str | None]:
    """The first family that can be judged, localization before all others, and why those before it cannot; whether
    the sanity check is failed, as what fails it explains no model."""
    families, texts = sorted(summary["primary"], key="localization".__ne__), []
    for family in families:
        reason = unjudged(summary, family, method)
        if not reason:
            texts += [" ".join(against_controls(summary, family, method)), _difference(summary, family, method)]
            if family != "sanity" and "sanity" in families and verdicts(summary, "sanity", method)["worse"]:
                failed = against_controls(summary, "sanity", method)
                texts.append(" ".join(text for text in failed if "fail the sanity check" in text))
            return texts, family
        texts.append(reason)
    return texts, None


def _difference(summary: dict, family: str, method: str) -> str:
    """The comparison of models in one sentence without statistics, and the means that it speaks of."""
    primary, means = summary["primary"][family], values(summary, family, method)
    direction = ", lower is better:" if primary["lower_is_better"] else ""
    scale = [f"mean {plain(primary['metric'])}{direction} {span(list(means.values()))}"]
    scale += [
        f"{span(list(found.values()))} for {CONTROL_NAMES[name]}"
        for name in summary["controls"][family][method]
        if (found := values(summary, family, name))
    ]
    return f"{verdict(summary, family, method)} ({'; '.join(scale)})."
