"""The answer to "may anyone believe the heatmaps?" in two or three sentences."""

from heatproof.stats.sentences import (
    against_controls,
    between_models,
    judged,
    left_out_sentence,
    unit,
    unjudged,
    values,
)
from heatproof.stats.words import CONTROL_NAMES, plain, span


def headline(summary: dict) -> list[str]:
    """The answer a method: who beats the controls, whether models differ; then who is left out."""
    left_out = [text for text in [left_out_sentence(summary)] if text]
    if not judged(summary):
        return ["No heatmap of this study can be judged: no model could be shown to classify better than chance."]
    many, texts = len(summary["methods"]) > 1, []
    for method in summary["methods"]:
        answer = _answer(summary, method)
        texts += [f"{method}: {text}" for text in answer] if many else answer
    return texts + left_out


def _answer(summary: dict, method: str) -> list[str]:
    """The first family that can be judged, localization before all others, and why those before it cannot."""
    families, texts = sorted(summary["primary"], key="localization".__ne__), []
    for family in families:
        reason = unjudged(summary, family, method)
        if not reason:
            controls = against_controls(summary, family, method)
            return [*texts, " ".join(controls), _difference(summary, family, method)]
        texts.append(reason)
    return texts


def _difference(summary: dict, family: str, method: str) -> str:
    """The comparison of models in one sentence without statistics, and the means that it speaks of."""
    pairs, means = summary["pairs"][family][method], values(summary, family, method)
    metric = plain(summary["primary"][family]["metric"])
    scale = f"mean {metric} {span(list(means.values()))}"
    beside = [
        f"{span(list(found.values()))} for {CONTROL_NAMES[name]}"
        for name in summary["controls"][family][method]
        if (found := values(summary, family, name))
    ]
    scale = "; ".join([scale, *beside])
    if pairs["different"]:
        best = min if summary["primary"][family]["lower_is_better"] else max
        apart = f"{pairs['different']} of {pairs['tested']} pairs" if pairs["tested"] > 1 else "the two"
        verdict = (
            f"Differences between models are more than chance: {apart} can be told apart, and "
            f"{best(means, key=means.get)} has the best mean"
        )
    elif not pairs["tested"]:
        verdict = between_models(summary, family, method)[0].rstrip(".")
    elif pairs["smallest_p"] > summary["alpha"]:
        verdict = f"There are too few {unit(summary)} to tell whether the models differ"
    else:
        verdict = "No difference between models could be shown"
    return f"{verdict} ({scale})."
