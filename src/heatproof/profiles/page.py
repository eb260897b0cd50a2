"""`heatproof job profiles`: tables and page of a study's activation profiles, joined from those of its checkpoints. The
page carries all that it needs, and asks for nothing."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
import pandas as pd
from markupsafe import Markup
from matplotlib.figure import Figure as Drawing
from scipy.cluster.hierarchy import dendrogram, linkage

from heatproof.profiles import distances as compare
from heatproof.profiles import files
from heatproof.profiles.distances import FEWEST_GROUPS
from heatproof.report.figures.canvas import ACCENT, INK, LINE, MARGIN, MUTED, STYLE, WIDTH, Figure, short, to_svg
from heatproof.report.tables import Table, interval
from heatproof.report.words import environment
from heatproof.store import artifacts
from heatproof.text import numbers

_NAMES, _ROW, _FOOT = 1.9, 0.2, 0.45  # inches: room for the names, a leaf, the axis


def joined(distances: np.ndarray) -> np.ndarray:
    """Average linkage of groups, as SciPy gives it, of their distances [pairs] in the order of `numbers.pairs`."""
    return linkage(distances, "average")


@matplotlib.rc_context(STYLE)
def tree(name: str, groups: Sequence[str], distances: np.ndarray) -> str:
    """Groups that lie near each other join early, at the left; further to the right what is further apart."""
    links = joined(distances)
    laid = dendrogram(links, no_plot=True)
    rows = _ROW * len(groups)
    height = rows + _FOOT
    figure = Drawing(figsize=(WIDTH, height))
    left = _NAMES / WIDTH
    axes = figure.add_axes((left, _FOOT / height, 1 - left - MARGIN / WIDTH, rows / height))
    for across, along in zip(laid["dcoord"], laid["icoord"], strict=True):
        axes.plot(across, along, color=ACCENT, linewidth=1.3, solid_capstyle="round")
    axes.set_ylim(10 * len(groups), 0)  # SciPy puts leaves at 5, 15, 25, ...
    axes.set_xlim(0, max(float(links[-1, 2]) * 1.05, 1e-6))
    axes.set_yticks([])
    axes.spines[["left", "right", "top"]].set_visible(False)
    axes.tick_params(axis="x", length=0, labelsize=8)
    axes.grid(axis="x", color=LINE, linewidth=0.6)
    axes.locator_params(axis="x", nbins=4)
    axes.set_axisbelow(True)
    for place, leaf in enumerate(laid["leaves"]):
        text = short(groups[leaf], 30)
        axes.text(-0.03, 5 + 10 * place, text, ha="right", va="center", color=INK, transform=axes.get_yaxis_transform())
    figure.text(MARGIN / WIDTH, 0.05 / height, "distance at which groups join", color=MUTED)
    return to_svg(figure, name, stated(groups, links))


def stated(groups: Sequence[str], links: np.ndarray) -> str:
    """The tree in words, for who cannot see it."""
    members = [[name] for name in groups]
    texts = []
    for first, second, height, _ in links:
        a, b = members[int(first)], members[int(second)]
        texts.append(f"{numbers.listed(a)} with {numbers.listed(b)} at {numbers.number(height)}")
        members.append([*a, *b])
    return f"Groups by distance: {'; '.join(texts)}"


KIND_NAMES = {"label": "label", "prediction": "prediction", "outcome": "right or wrong"}


def of(table: pd.DataFrame, **where) -> pd.DataFrame:
    """The rows that have these values."""
    return table[np.logical_and.reduce([table[column] == value for column, value in where.items()])]


def groups(table: pd.DataFrame, args: argparse.Namespace, many: str) -> Table:
    """Images and patients of each group, a column a model, of the seed and fold that the page shows."""
    shown = of(table, seed=args.seeds[0], fold=args.folds[0])
    rows = []
    for (by, group), part in shown.groupby(["by", "group"], sort=False):
        cells = part.set_index("model")
        stated = [
            f"{cells.at[model, 'images']} ({cells.at[model, 'patients']})" + ("" if cells.at[model, "kept"] else " ×")
            for model in args.models
        ]
        rows.append([group, KIND_NAMES[by], *stated])
    caption = f"Test images of each group, in brackets their {many}. × marks a group that is left out."
    return Table(caption, ["group", "kind", *args.models], rows)


def left_out(table: pd.DataFrame, args: argparse.Namespace, many: str) -> str:
    least = f"{numbers.counted(args.config['min_images'], 'test image')} of {args.config['min_patients']} {many}"
    shown = of(table, seed=args.seeds[0], fold=args.folds[0])
    small = shown[~shown["kept"]].groupby("model").size()
    if small.empty:
        return f"Every group has at least {least}."
    counts = [f"{numbers.counted(int(small[model]), 'group')} of {model}" for model in args.models if model in small]
    return f"A group with fewer than {least} is left out: {numbers.listed(counts)}."


def dead(table: pd.DataFrame, args: argparse.Namespace) -> Table:
    """Dead feature maps of each layer, in each training."""
    rows = []
    for (model, layer), part in table.groupby(["model", "layer"], sort=False):
        stated = []
        for seed in args.seeds:
            counts = [str(one) for one in part.loc[part["seed"] == seed, "dead"]]
            stated.append(", ".join(counts) or "–")
        rows.append([model, layer, f"{part['units'].iloc[0]}", *stated])
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
                        interval(row.agreement, row.low, row.high) if np.isfinite(row.agreement) else row.reason,
                        interval(row.gap, row.gap_low, row.gap_high),
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
    share = numbers.share(layers["dead"].sum() / layers["units"].sum())
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
        f"{numbers.span(rows['agreement'])} {what}"
        for rows, what in ((within, "between two trainings of one model"), (between, "between two models"))
        if rows["agreement"].notna().any()
    ]
    texts = [f"Which {kind} lie near each other in the last layer agrees at {numbers.listed(said)} (1 is perfect)."]
    judged = between[between["gap_low"].notna()]
    if len(judged):
        apart = int((judged["gap_low"] > 0).sum())
        who = f"{apart} of {numbers.counted(len(judged), 'pair')} of models {'differs' if apart == 1 else 'differ'}"
        than = "by more than two trainings of one model do"
        texts.append(f"{who} {than}." if apart else f"No pair of models is shown to differ {than}.")
    return [*texts, dead]


def ends(distances: pd.DataFrame) -> str:
    """The nearest and the furthest groups, of the distances of one layer and kind; nothing where there is one pair."""
    known = distances[distances["correlation"].notna()].sort_values("correlation", kind="stable")
    if len(known) < 2:
        return ""
    near, far = (
        f"{row.a} and {row.b} ({numbers.interval(row.correlation, row.low, row.high)})"
        for row in known.iloc[[0, -1]].itertuples()
    )
    return f"Nearest by {KIND_NAMES[known['by'].iloc[0]]}: {near}; furthest apart: {far}."


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
    one, many = numbers.UNITS[args.group_kind]
    return (
        environment("heatproof.profiles", "heatproof.report")
        .get_template("profiles.html.j2")
        .render(
            study=args.study,
            title=args.title or f"Study {args.study}",
            answer=answer(tables, args),
            groups=groups(tables["groups"], args, many),
            left_out=left_out(tables["groups"], args, many),
            dead=dead(tables["layers"], args),
            threshold=f"{args.config['dead']:g}",
            agreement=agreement(tables["models"], args),
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
    layers, distances = (of(tables[what], **where) for what in ("layers", "distances"))
    parts, made = dict(list(profiles.groupby("layer", sort=False))), []
    for row in layers.sort_values("depth").itertuples():
        by_kind = dict(list(distances[distances["depth"] == row.depth].groupby("by", sort=False)))
        kinds = list(by_kind)[: None if row.depth == 0 else 1]
        own = parts[row.layer]
        strips = [_strip(own[own["by"] == by], by, args.config["top"]) for by in kinds if row.dead < row.units]
        trees = [_tree(f"tree-{place}-{row.depth}-{by}", by_kind[by]) for by in kinds]
        title = f"{row.layer}: {numbers.counted(row.units, 'feature map')} of {row.rows} × {row.columns} positions"
        between = list(filter(None, (ends(by_kind[by]) for by in kinds)))
        made.append(Layer(f"{title}, {row.dead} dead", between, strips, trees))
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
    return Cell(numbers.number(value, sign=True), look, round(70 * abs(value) / largest), abs(value) > 2 * error)


def _tree(name: str, table: pd.DataFrame) -> tuple[Figure | None, Grid]:
    by = KINDS[table["by"].iloc[0]]
    groups = list(dict.fromkeys([*table["a"], *table["b"]]))
    values = table["correlation"].to_numpy()
    caption = f"Groups {by} that have alike profiles join early; average linkage of 1 − correlation."
    drawn = len(groups) > 2 and np.isfinite(values).all()
    figure = Figure(Markup(tree(name, groups, values)), caption) if drawn else None
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
    return Cell(numbers.interval(value, low, high), "up", round(35 * (2 - value)))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `run`."""
    parser.add_argument("--study", required=True)
    parser.add_argument("--models", required=True, nargs="+", help="timm names, in the order of the page")
    parser.add_argument("--seeds", required=True, nargs="+", type=int)
    parser.add_argument("--folds", required=True, nargs="+", help="fold0 first")
    parser.add_argument("--config", required=True, type=json.loads, help="section profiles, as JSON")
    parser.add_argument("--interval", required=True, type=float, help="coverage of the intervals")
    parser.add_argument("--group-kind", required=True, help="what a patient of the tables is")
    parser.add_argument("--title", required=True, help="title of the page")


def run(args: argparse.Namespace) -> None:
    """Write the tables of `files.STUDY_TABLES` and the page."""
    parts = {name: [] for name in files.STUDY_TABLES}
    for fold in args.folds:
        distances = {}
        for model in args.models:
            for seed in args.seeds:
                folder = files.profile_dir(artifacts.Checkpoint(args.study, model, seed, fold))
                where = {"model": model, "seed": seed, "fold": fold}
                for name, schema in (("layers", files.LAYERS), ("groups", files.GROUPS)):
                    parts[name].append(artifacts.read_table(folder / f"{name}.parquet", schema).assign(**where))
                found = read_distances(folder)
                distances[model, seed] = found
                ends = [compare.interval(column, args.interval) for column in found.drawn[1:].T]
                low, high = np.array(ends).reshape(-1, 2).T
                parts["distances"].append(found.table.assign(**where, low=low, high=high))
        parts["models"].append(compare.models(distances, fold, args.interval))
    tables = {}
    for name, schema in files.STUDY_TABLES.items():
        path = files.study_dir(args.study) / f"{name}.csv"
        whole = [part for part in parts[name] if len(part)]
        table = pd.concat(whole, ignore_index=True) if whole else pd.DataFrame(columns=list(schema))
        artifacts.write_table(path, table[list(schema)], schema)
        tables[name] = table[list(schema)]
    with artifacts.replacing(files.page_path(args.study)) as temporary:
        temporary.write_text(render(args, tables, read_profiles(args)), encoding="utf-8")
    print(files.page_path(args.study))


def read_distances(folder) -> compare.Distances:
    table = artifacts.read_table(folder / "distances.parquet", files.DISTANCES)
    drawn = artifacts.read_array(folder / "draws.npy")
    if drawn.ndim != 2 or drawn.shape[1] != len(table):
        raise artifacts.ArtifactError(
            f"{folder / 'draws.npy'}: not of the rows of distances.parquet; {artifacts.REBUILT}"
        )
    return compare.Distances(table, np.vstack([table["correlation"].to_numpy(), drawn]))


def read_profiles(args: argparse.Namespace) -> dict[str, pd.DataFrame]:
    """Model -> profiles of its first seed in the first fold, which the page shows."""
    shown = [artifacts.Checkpoint(args.study, model, args.seeds[0], args.folds[0]) for model in args.models]
    return {
        one.model: artifacts.read_table(files.profile_dir(one) / "profiles.parquet", files.PROFILES) for one in shown
    }
