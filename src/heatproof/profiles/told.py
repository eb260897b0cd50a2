"""What the page of activation profiles says, from the study's tables."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from heatproof.profiles.compare import FEWEST_GROUPS
from heatproof.report import words

KIND_NAMES = {"label": "label", "prediction": "prediction", "outcome": "right or wrong"}


@dataclass(frozen=True)
class Table:
    """The first cell of every row is its heading."""

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]


def of(table: pd.DataFrame, **where) -> pd.DataFrame:
    """The rows that have these values."""
    return table[np.logical_and.reduce([table[column] == value for column, value in where.items()])]


def groups(table: pd.DataFrame, args: argparse.Namespace, many: str) -> Table:
    """Images and patients of each group, a column a model, of the seed and fold that the page shows."""
    shown = of(table, seed=args.seeds[0], fold=args.folds[0])
    rows = []
    for (by, group), part in shown.groupby(["by", "group"], sort=False):
        cells = part.set_index("model")
        told = [
            f"{cells.at[model, 'images']} ({cells.at[model, 'patients']})" + ("" if cells.at[model, "kept"] else " ×")
            for model in args.models
        ]
        rows.append([group, KIND_NAMES[by], *told])
    caption = f"Test images of each group, in brackets their {many}. × marks a group that is left out."
    return Table(caption, ["group", "kind", *args.models], rows)


def left_out(table: pd.DataFrame, args: argparse.Namespace, many: str) -> str:
    least = f"{words.count(args.config['min_images'], 'test image')} of {args.config['min_patients']} {many}"
    shown = of(table, seed=args.seeds[0], fold=args.folds[0])
    small = shown[~shown["kept"]].groupby("model").size()
    if small.empty:
        return f"Every group has at least {least}."
    counts = [f"{words.count(int(small[model]), 'group')} of {model}" for model in args.models if model in small]
    return f"A group with fewer than {least} is left out: {words.listed(counts)}."


def dead(table: pd.DataFrame, args: argparse.Namespace) -> Table:
    """Dead feature maps of each layer, in each training."""
    rows = []
    for (model, layer), part in table.groupby(["model", "layer"], sort=False):
        told = []
        for seed in args.seeds:
            counts = [str(one) for one in part.loc[part["seed"] == seed, "dead"]]
            told.append(", ".join(counts) or "–")
        rows.append([model, layer, f"{part['units'].iloc[0]}", *told])
    folds = "; of several folds one after the other" if len(args.folds) > 1 else ""
    return Table(
        f"Dead feature maps of each layer and training{folds}.",
        ["model", "layer", "feature maps", *(f"dead, seed {seed}" for seed in args.seeds)],
        rows,
    )


def agreement(table: pd.DataFrame, args: argparse.Namespace) -> list[Table]:
    """Agreement of models in their last layers, a table a kind of groups; none of a kind without any."""
    found = []
    for fold in args.folds:
        for by in args.config["by"]:
            shown = of(table, fold=fold, by=by, depth=0)
            shown = shown[shown["seed_a"].isna()]
            if shown["agreement"].notna().any():
                rows = [
                    [
                        f"{row.model_a} and {row.model_b}"
                        if row.model_a != row.model_b
                        else f"{row.model_a}, its seeds",
                        words.interval(row.agreement, row.low, row.high) if np.isfinite(row.agreement) else row.reason,
                        words.interval(row.gap, row.gap_low, row.gap_high),
                        _reading(row),
                    ]
                    for row in shown.itertuples()
                ]
                where = f", {fold}" if len(args.folds) > 1 else ""
                head = ["trainings", "agreement", "less than their own seeds agree, by", "more than by training alone?"]
                found.append(Table(f"Agreement in the last layer, groups by {KIND_NAMES[by]}{where}.", head, rows))
    return found


def _reading(row) -> str:
    if row.model_a == row.model_b or not np.isfinite(row.gap_low):
        return "–"
    return "yes" if row.gap_low > 0 else "not shown"


def answer(tables: dict[str, pd.DataFrame], args: argparse.Namespace) -> list[str]:
    """The page in a few sentences."""
    layers = tables["layers"]
    share = words.share(layers["dead"].sum() / layers["units"].sum())
    dead = f"{share} of the feature maps that were looked at are dead: they answer every test image alike."
    first = of(tables["models"], fold=args.folds[0], depth=0)
    first = first[first["seed_a"].isna()]
    known = [by for by in args.config["by"] if first.loc[first["by"] == by, "agreement"].notna().any()]
    if not known:
        return [dead, f"Models are not compared: that needs {FEWEST_GROUPS} groups of one kind, and two trainings."]
    first = first[first["by"] == known[0]]
    kind = f"groups by {KIND_NAMES[known[0]]}"
    within, between = first[first["model_a"] == first["model_b"]], first[first["model_a"] != first["model_b"]]
    said = [
        f"{_span(rows['agreement'])} {what}"
        for rows, what in ((within, "between two trainings of one model"), (between, "between two models"))
        if rows["agreement"].notna().any()
    ]
    texts = [f"Which {kind} lie near each other in the last layer agrees at {words.listed(said)} (1 is perfect)."]
    judged = between[between["gap_low"].notna()]
    if len(judged):
        apart = int((judged["gap_low"] > 0).sum())
        who = f"{apart} of {words.count(len(judged), 'pair')} of models {'differs' if apart == 1 else 'differ'}"
        than = "by more than two trainings of one model do"
        texts.append(f"{who} {than}." if apart else f"No pair of models is shown to differ {than}.")
    return [*texts, dead]


def ends(distances: pd.DataFrame) -> str:
    """The nearest and the furthest groups, of the distances of one layer and kind; nothing where there is one pair."""
    known = distances[distances["correlation"].notna()].sort_values("correlation", kind="stable")
    if len(known) < 2:
        return ""
    near, far = (
        f"{row.a} and {row.b} ({words.interval(row.correlation, row.low, row.high)})"
        for row in known.iloc[[0, -1]].itertuples()
    )
    return f"Nearest by {KIND_NAMES[known['by'].iloc[0]]}: {near}; furthest apart: {far}."


def _span(values: pd.Series) -> str:
    ends = dict.fromkeys(words.number(value, form=".2f") for value in (values.min(), values.max()))
    return " to ".join(ends)
