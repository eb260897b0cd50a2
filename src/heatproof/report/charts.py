"""What the figures state, as plain numbers: one row a model, in the order and colour that every figure shares."""

from dataclasses import dataclass, field

import pandas as pd

from heatproof.report import words
from heatproof.report.inputs import Inputs

# Okabe and Ito (2008), told apart with any colour vision; yellow and black vanish on one of the two grounds. Beyond six
# models grey and brown.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F7F7F", "#8C564B")


def color(models: list[str] | tuple[str, ...], model: str) -> str:
    return PALETTE[list(models).index(model) % len(PALETTE)]


@dataclass(frozen=True)
class Row:
    """A model in a dot plot: its mean and interval, single trainings, and what stands beside it."""

    model: str
    color: str
    competent: bool
    mean: float
    low: float
    high: float
    seeds: tuple[float, ...] = ()
    marks: dict[str, float] = field(default_factory=dict)  # control or ceiling -> mean


def dot_rows(inputs: Inputs, family: str, method: str, metric: str | None = None) -> list[Row]:
    """A metric (the primary one) of every model, with those of the family's controls that have a value.

    Single trainings are there for the primary metric only.
    """
    marks = {name: f"{name}:{method}" for name in words.family(family).controls}  # one made for the method goes first
    metric = metric or inputs.primary(family)
    table = inputs.metrics[(inputs.metrics["family"] == family) & (inputs.metrics["metric"] == metric)]
    table = table.set_index(["method", "model"])
    rows = []
    for model in inputs.models:
        found = table.loc[(method, model)] if (method, model) in table.index else None
        mean, low, high = (float("nan"),) * 3 if found is None else (found["mean"], found["low"], found["high"])
        beside = {
            name: table.loc[(called, model), "mean"]
            for name, own in marks.items()
            for called in [own if (own, model) in table.index else name]
            if (called, model) in table.index
        }
        rows.append(
            Row(
                model,
                color(inputs.models, model),
                inputs.worth(model),
                float(mean),
                float(low),
                float(high),
                seed_means(inputs, family, method, model) if metric == inputs.primary(family) else (),
                {name: float(value) for name, value in beside.items() if pd.notna(value)},
            )
        )
    return rows


def seed_means(inputs: Inputs, family: str, method: str, model: str) -> tuple[float, ...]:
    """Mean of the primary metric of each training; nothing for a model trained once."""
    by_seed = inputs.summary["seed_means"].get(family, {}).get(method, {}).get(model, {})
    means = tuple(float(mean) for mean in by_seed.values() if mean is not None)
    return means if len(means) > 1 else ()


@dataclass(frozen=True)
class Checkpoint:
    """One training in the accuracy figure; `accuracy` is what competence is judged by (`Inputs.measure`)."""

    model: str
    seed: int
    color: str
    competent: bool
    accuracy: float
    low: float
    high: float
    f1: float
    f1_low: float
    f1_high: float


def checkpoints(inputs: Inputs) -> list[Checkpoint]:
    """Every training, by model as declared and by seed."""
    found = {(row["model"], row["seed"]): row for row in inputs.summary["checkpoints"]}
    keys = [(model, seed) for model in inputs.models for seed in inputs.seeds if (model, seed) in found]
    judged = ("auroc", "auroc_low", "auroc_high") if inputs.multilabel else ("balanced_accuracy", "low", "high")
    numbers = (*judged, "f1_macro", "f1_low", "f1_high")
    rows = []
    for model, seed in keys:
        row = found[model, seed]
        values = (float("nan") if row[name] is None else row[name] for name in numbers)
        rows.append(Checkpoint(model, seed, color(inputs.models, model), row["competent"], *values))
    return rows


@dataclass(frozen=True)
class Pair:
    """Row minus column, mean over groups, Holm's p, and whether the verdict tells the two apart."""

    row: str
    column: str
    difference: float
    effect: float
    p: float
    apart: bool


def pair_cells(inputs: Inputs, family: str, method: str) -> list[Pair]:
    """Pairs of the family's primary metric; the model declared later is the row. p is the one that verdicts read."""
    table = inputs.tables["pairs"]
    table = table[(table["factor"] == "model") & (table["family"] == family)]
    table = table[(table["metric"] == inputs.primary(family)) & (table["within"] == method)]
    place = {model: i for i, model in enumerate(inputs.models)}
    told = inputs.summary["pairs"].get(family, {}).get(method, {})
    apart, p = {frozenset(pair) for pair in told.get("told_apart", [])}, told.get("p", "p_corrected")
    cells = []
    for _, pair in table.iterrows():
        sign, row, column = (
            (1, pair["a"], pair["b"]) if place[pair["a"]] > place[pair["b"]] else (-1, pair["b"], pair["a"])
        )
        numbers = sign * pair["difference"], sign * pair["effect"], pair[p]
        cells.append(Pair(row, column, *map(float, numbers), apart=frozenset((row, column)) in apart))
    return sorted(cells, key=lambda cell: (place[cell.row], place[cell.column]))
