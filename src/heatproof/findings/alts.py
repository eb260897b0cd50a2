"""What the figures say, for those who do not see them."""

from dataclasses import dataclass

from heatproof.findings import xray_figure
from heatproof.findings.facts import Facts, span
from heatproof.findings.splits import MEASURES, RANDOM
from heatproof.report import words


@dataclass(frozen=True)
class Alts:
    """A text for each figure, with its numbers."""

    facts: Facts

    @property
    def overview(self) -> str:
        parts, found = [], self.facts.splits
        if found:
            said = [f"published {span(found.span('accuracy', 'published'))}"]
            said += [f"on a random split {span(found.span('accuracy', RANDOM))}"]
            said += [f"with groups kept together {span(found.span('accuracy', found.grouped))}"]
            parts.append(f"Accuracy of {words.count(len(found.networks), 'network')}: {', '.join(said)}.")
        return " ".join([*parts, self._localization()]).strip() or "Not run yet."

    @property
    def splits(self) -> str:
        return " ".join(self._accuracy(measure) for measure in MEASURES)

    def _accuracy(self, measure: str) -> str:
        found = self.facts.splits
        if found is None:
            return ""
        parts = []
        for model in found.models:
            published = found.published(model, measure)
            values = [f"published {words.number(published)}"] if published == published else []
            for split, said in ((RANDOM, "random"), (found.grouped, "grouped")):
                row = found.row(model, measure, split)
                values += [] if row is None else [f"{said} {words.number(row['value'])}"]
            parts.append(f"{model} {', '.join(values)}")
        return f"{MEASURES[measure]}: {'; '.join(parts)}."

    def _localization(self) -> str:
        rows = self.facts.localization
        if not rows:
            return ""
        said = "; ".join(f"{row.model} {words.number(row.mean)} ({row.said})" for row in rows)
        metric = words.inline(words.metric(self.facts.truth.primary("localization")).name)
        return f"Heatmaps by {self.facts.truth.lead} where the truth is known ({metric}): {said}."

    @property
    def cheat(self) -> str:
        found = self.facts.cheat
        rates = words.listed([words.number(rate) for rate in found.rates])
        relied = [
            f"{model} rests on it at {words.listed([words.number(rate) for rate in found.learnt(model)]) or 'none'}"
            for model in found.models
        ]
        return (
            f"Models trained with a planted cue at rates of {rates}: {'; '.join(relied)}. Lines over the rate: "
            f"accuracy where the cue agrees and where it conflicts, and heat with and without the cue, by method."
        )

    @property
    def xray(self) -> str:
        return xray_figure.told(self.facts.xray)

    @property
    def transformers(self) -> str:
        parts = [
            f"{lead.method} by {lead.family} on {lead.study} {words.number(lead.difference, sign=True)}, {lead.verdict}"
            for lead in self.facts.leads
        ]
        asked = self.facts.roles.transformer
        return f"Heatmaps of {asked.model} ahead of {asked.reference}: {'; '.join(parts)}."
