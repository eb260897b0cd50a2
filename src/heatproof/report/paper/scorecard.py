"""The scorecard of a study and the cards of its methods: what was measured, as values; for the page, JSON and Markdown.

Criteria and their order are those of Lago et al. 2025 (arXiv:2506.13917); what a card of a method lists follows Boggust
et al. 2023 (saliency cards, FAccT).
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property

from heatproof.catalogue.methods import METHODS
from heatproof.report import words
from heatproof.report.inputs import Inputs
from heatproof.report.tables import Numbers, Table, span
from heatproof.stats.results import number
from heatproof.text import numbers
from heatproof.text.words import MARK, called

NOT_MEASURED, NOT_KNOWN = "not measured", "not known"


@dataclass(frozen=True)
class Evidence:
    """One metric of one method on the models that are judged, or on all of them where none is.

    Attributes:
        means: model -> mean over groups, None where it has none.
        intervals: model -> the ends of its interval.
        verdicts: model -> better than every control, worse than one, or unclear; none where nothing is tested.
        controls: control -> mean over these models.
        doubtful: whether the metric was not shown to tell the true region from noise.
    """

    family: str
    metric: str
    better: str
    method: str
    means: dict[str, float | None]
    intervals: dict[str, tuple[float | None, float | None]]
    verdicts: dict[str, str]
    controls: dict[str, float]
    doubtful: bool

    @property
    def name(self) -> str:
        """The metric's name, marked where it was not shown to tell the true region from noise."""
        return words.metric(self.metric).name + MARK * self.doubtful

    @property
    def verdict(self) -> str:
        """How many models are better than every control, and how many worse than one."""
        if not self.verdicts:
            return "not tested"
        found = list(self.verdicts.values())
        worse = found.count("worse")
        return f"{found.count('better')} of {len(found)} models" + (f"; {worse} worse than a control" if worse else "")


@dataclass(frozen=True)
class Criterion:
    """A criterion of the scorecard; without evidence it was not measured."""

    name: str
    question: str
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True)
class Card:
    """What is known of a method on these models; an attribute that was not measured is None.

    Attributes:
        inputs: whether maps stay the same when the image is changed a little.
        label: whether maps of two classes differ.
        model: whether maps change when the weights are randomized.
        retraining: whether maps stay the same when the model is trained again.
        deterministic: whether the same image and weights give the same map, by construction; None: not known.
        cost: forward and backward passes a heatmap, with the options' names where these set it; "" where not known.
    """

    method: str
    inputs: Evidence | None
    label: Evidence | None
    model: Evidence | None
    retraining: Evidence | None
    deterministic: bool | None
    cost: str

    @property
    def measured(self) -> tuple[Evidence | None, ...]:
        return self.inputs, self.label, self.model, self.retraining


CRITERIA = {  # criterion -> what it means, and the families that are evidence of it
    "consistency": ("Do similar inputs get similar heatmaps?", ("robustness", "consistency")),
    "plausibility": ("Do heatmaps lie close to the ground truth?", ("localization",)),
    "fidelity": ("Do heatmaps follow what the model computes?", ("faithfulness", "sanity")),
    "usefulness": ("Do heatmaps help people with their task?", ()),
}
ATTRIBUTES = {  # attribute of a card -> its heading, family and metric; without a metric, the family's primary one
    "inputs": ("input sensitivity", "robustness", None),
    "label": ("label sensitivity", "sanity", "rank_correlation_random_target"),
    "model": ("model sensitivity", "sanity", None),
    "retraining": ("retraining", "consistency", None),
}


@dataclass(frozen=True)
class Scorecard:
    """Criteria by the lead method, and a card for each method."""

    study: str
    method: str
    models: tuple[str, ...]
    competent: bool  # whether any of these models performs above chance
    interval: float
    criteria: tuple[Criterion, ...]
    cards: tuple[Card, ...]

    @cached_property
    def overview(self) -> Table:
        """The criteria, a row for each piece of evidence."""
        head = ["criterion", "question", "measured by", "mean", "better than every control"]
        return Table(
            f"Heatmaps of {called(self.method)}: means over groups, from the lowest model to the highest",
            head,
            [row for criterion in self.criteria for row in _rows(criterion)],
        )

    @cached_property
    def methods(self) -> Table:
        """The cards, a row for each method."""
        names = {key: next((name for card in self.cards if (name := _measure(card, key))), "") for key in ATTRIBUTES}
        head = [f"{title} ({names[key]})" if names[key] else title for key, (title, *_) in ATTRIBUTES.items()]
        rows = [
            [
                card.method,
                *(span(one.means.values()) if one else NOT_MEASURED for one in card.measured),
                _same(card),
                card.cost.replace("`", "") or NOT_KNOWN,
            ]
            for card in self.cards
        ]
        return Table(
            "Means over the same models, from the lowest to the highest; the section Provenance lists the run times",
            ["method", *head, "determinism", "passes through the network"],
            rows,
        )

    def stored(self) -> dict:
        """Return what JSON holds of it: numbers as they are, None where there is none."""
        found = {"framework": "arXiv:2506.13917", **asdict(self)}
        for criterion in found["criteria"]:
            criterion["measured"] = bool(criterion["evidence"])
        return found

    def markdown(self) -> str:
        """Return it as Markdown."""
        template = words.environment("heatproof.report").overlay(autoescape=False).get_template("scorecard.md.j2")
        return template.render(card=self)


def make(inputs: Inputs) -> Scorecard:
    """Fill the scorecard from the results of a study."""
    criteria = [
        Criterion(name, question, tuple(filter(None, (evidence(inputs, key, inputs.lead) for key in families))))
        for name, (question, families) in CRITERIA.items()
    ]
    cards = [_card(inputs, method) for method in inputs.methods if not inputs.refuses_all(method)]
    models = tuple(inputs.competent or inputs.trained)
    return Scorecard(
        inputs.study,
        inputs.lead,
        models,
        bool(inputs.competent),
        inputs.results.interval,
        tuple(criteria),
        tuple(cards),
    )


def evidence(inputs: Inputs, family: str, method: str, metric: str | None = None) -> Evidence | None:
    """Return one metric, by default the primary one of its family; None where no model has a value of it."""
    primary = inputs.primary(family)
    metric = metric or primary
    table = inputs.metrics[(inputs.metrics["family"] == family) & (inputs.metrics["metric"] == metric)]
    rows = {(row.method, row.model): row for row in table.itertuples()}
    models = [model for model in inputs.competent or inputs.trained if (method, model) in rows]
    means = {model: number(rows[method, model].mean) for model in models}
    if not any(mean is not None for mean in means.values()):
        return None
    outcome = inputs.results.outcome(family, method) if metric == primary else None
    beside = {name: [float(rows[name, m].mean) for m in models if (name, m) in rows] for name in words.CONTROLS}
    return Evidence(
        family,
        metric,
        inputs.results.better.get(family, {}).get(metric, "higher"),
        method,
        means,
        {model: (number(rows[method, model].low), number(rows[method, model].high)) for model in models},
        {model: verdict for model, verdict in outcome.verdicts.items() if model in models} if outcome else {},
        {
            name: math.fsum(values) / len(values)
            for name, values in beside.items()
            if name in words.family(family).controls and values and all(map(math.isfinite, values))
        },
        inputs.is_doubtful(metric),
    )


def _card(inputs: Inputs, method: str) -> Card:
    found = {key: evidence(inputs, family, method, metric) for key, (_, family, metric) in ATTRIBUTES.items()}
    known = METHODS.get(method)
    return Card(method, **found, deterministic=True if known else None, cost=known.cost if known else "")


def _rows(criterion: Criterion) -> Sequence[list[str | Numbers]]:
    if not criterion.evidence:
        return [[criterion.name, criterion.question, NOT_MEASURED, numbers.NONE, numbers.NONE]]
    return [
        [
            criterion.name,
            criterion.question if one is criterion.evidence[0] else "",
            f"{one.name} ({one.better} is better)",
            span(one.means.values()),
            one.verdict,
        ]
        for one in criterion.evidence
    ]


def _measure(card: Card, key: str) -> str:
    """Name what an attribute was measured by, within a heading."""
    one: Evidence | None = getattr(card, key)
    return f"{words.inline(one.name)}, {one.better} is better" if one else ""


def _same(card: Card) -> str:
    """Say whether a method gives the same map again: draws are derived from the study, the model and the image."""
    return "the same map every time" if card.deterministic else NOT_KNOWN
