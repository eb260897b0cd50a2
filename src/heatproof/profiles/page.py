"""The page of activation profiles: what it shows, and its words. It carries all that it needs, and asks for nothing."""

import argparse
from dataclasses import dataclass

import numpy as np
import pandas as pd
from markupsafe import Markup

from heatproof.profiles import figures, told
from heatproof.report import words
from heatproof.report.figure import Figure
from heatproof.report.templating import environment

KINDS = {"label": "by label", "prediction": "by prediction", "outcome": "by right and wrong"}


@dataclass(frozen=True)
class Cell:
    """A number with its colour: `look` is up, down or flat, `share` how strong, in percent; `sure` makes it bold."""

    text: str
    look: str = ""
    share: int = 0
    sure: bool = False


@dataclass(frozen=True)
class Grid:
    """A table of coloured numbers."""

    caption: str
    corner: str
    head: list[str]
    rows: list[tuple[str, list[Cell]]]


@dataclass(frozen=True)
class Layer:
    """One layer of one model: the profiles of its first units, and of each kind of groups the tree and distances."""

    title: str
    ends: list[str]
    strips: list[Grid]
    trees: list[tuple[Figure | None, Grid]]


@dataclass(frozen=True)
class Model:
    name: str
    place: str
    last: Layer
    others: list[Layer]


def render(args: argparse.Namespace, tables: dict[str, pd.DataFrame], profiles: dict[str, pd.DataFrame]) -> str:
    """The page as HTML.

    Args:
        args: of the command: study, models, seeds, folds, config (section profiles), interval, group_kind, title.
        tables: those of `files.STUDY_TABLES`.
        profiles: model -> profiles of its first seed and fold.
    """
    one, many = words.GROUPS[args.group_kind]
    return (
        environment("heatproof.profiles", "heatproof.report")
        .get_template("profiles.html.j2")
        .render(
            study=args.study,
            title=args.title or f"Study {args.study}",
            answer=told.answer(tables, args),
            groups=told.groups(tables["groups"], args, many),
            left_out=told.left_out(tables["groups"], args, many),
            dead=told.dead(tables["layers"], args),
            threshold=f"{args.config['dead']:g}",
            agreement=told.agreement(tables["models"], args),
            models=[_model(i, name, profiles[name], tables, args) for i, name in enumerate(args.models)],
            seed=args.seeds[0],
            fold=args.folds[0] if len(args.folds) > 1 else "",
            top=args.config["top"],
            draws=args.config["bootstrap"],
            interval=f"{args.interval:.0%}",
            one=one,
            many=many,
        )
    )


def _model(place: int, name: str, profiles: pd.DataFrame, tables: dict[str, pd.DataFrame], args) -> Model:
    where = {"model": name, "seed": args.seeds[0], "fold": args.folds[0]}
    layers, distances = (told.of(tables[what], **where) for what in ("layers", "distances"))
    parts, made = dict(list(profiles.groupby("layer", sort=False))), []
    for row in layers.sort_values("depth").itertuples():
        by_kind = dict(list(distances[distances["depth"] == row.depth].groupby("by", sort=False)))
        kinds = list(by_kind)[: None if row.depth == 0 else 1]
        own = parts[row.layer]
        strips = [_strip(own[own["by"] == by], by, args.config["top"]) for by in kinds if row.dead < row.units]
        trees = [_tree(f"tree-{place}-{row.depth}-{by}", by_kind[by]) for by in kinds]
        title = f"{row.layer}: {words.count(row.units, 'feature map')} of {row.rows} × {row.columns} positions"
        ends = list(filter(None, (told.ends(by_kind[by]) for by in kinds)))
        made.append(Layer(f"{title}, {row.dead} dead", ends, strips, trees))
    return Model(name, f"model-{place}", made[0], made[1:])


def _strip(part: pd.DataFrame, by: str, top: int) -> Grid:
    """Profiles of the units that rank first: a row a unit, a column a group."""
    shown = part[part["rank"] <= top]
    names = list(part["group"].unique())
    largest = shown["profile"].abs().max() or 1.0
    rows = []
    for _, unit in shown.sort_values("rank", kind="stable").groupby("rank", sort=True):
        cells = [_signed(row.profile, row.error, largest) for row in unit.set_index("group").loc[names].itertuples()]
        rows.append((f"map {unit['unit'].iloc[0]}", cells))
    caption = f"Profiles {KINDS[by]}. Teal: answers more to this group than to all on average; orange: less."
    return Grid(caption, "feature map", names, rows)


def _signed(value: float, error: float, largest: float) -> Cell:
    look = "up" if value > 0 else "down" if value < 0 else "flat"
    return Cell(words.number(value, sign=True), look, round(70 * abs(value) / largest), abs(value) > 2 * error)


def _tree(name: str, table: pd.DataFrame) -> tuple[Figure | None, Grid]:
    by = KINDS[table["by"].iloc[0]]
    groups = list(dict.fromkeys([*table["a"], *table["b"]]))
    values = table["correlation"].to_numpy()
    caption = f"Groups {by} that have alike profiles join early; average linkage of 1 − correlation."
    drawn = len(groups) > 2 and np.isfinite(values).all()
    figure = Figure(Markup(figures.tree(name, groups, values)), caption) if drawn else None
    found = {(a, b): row for a, b, *row in table[["a", "b", "correlation", "low", "high"]].itertuples(index=False)}
    rows = []
    for i, name_b in enumerate(groups[1:], 1):
        cells = [_distance(*found[name_a, name_b]) for name_a in groups[:i]]
        rows.append((name_b, cells + [Cell("")] * (len(groups) - 1 - i)))
    return figure, Grid(
        f"Distances between groups {by}, with their intervals; the darker, the nearer", "group", groups[:-1], rows
    )


def _distance(value: float, low: float, high: float) -> Cell:
    if not np.isfinite(value):
        return Cell("–")
    return Cell(words.interval(value, low, high), "up", round(35 * (2 - value)))
