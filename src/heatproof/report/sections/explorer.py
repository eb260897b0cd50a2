"""What a reader chooses from on the page: scores of single images as a chart of Vega-Lite, and pictures of some of
them."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product, zip_longest

import altair as alt
import numpy as np
import pandas as pd
import vl_convert
from markupsafe import Markup

from heatproof.catalogue.families import FAMILIES, families_with
from heatproof.catalogue.metrics import METRICS
from heatproof.core.draws import spread
from heatproof.report import words
from heatproof.report.inputs import Inputs
from heatproof.report.sections import gallery
from heatproof.text import numbers
from heatproof.text.words import called

ROW = 62  # pixels of a model: its name, and its dots below
RIGHT, WRONG = "right prediction", "wrong prediction"
# Colours are those of the page, so that the chart follows the reader's light or dark mode.
_INK, _MUTED, _LINE, _ACCENT, _WARN = (f"var(--{name})" for name in ("ink", "muted", "line", "accent", "warn"))
_FONT = "system-ui, sans-serif"


def spec(models: Sequence[str]) -> dict:
    """Every model a row, every image a dot; the dots of the image that is `picked` are ringed and joined.

    Data come by name: `points` (i, image, class, model, place, offset, score, told, decision, predicted; an offset from
    -1 to 1 keeps dots apart) and `means` (model, mean, low, high, name, told, offset 0, top: the offset of its name).
    """
    picked = alt.param(name="picked", value=-1)
    y = alt.Y("model:N", sort=None, axis=None, scale=alt.Scale(domain=list(models), paddingInner=0, paddingOuter=0))
    offset = alt.YOffset("offset:Q", scale=alt.Scale(domain=[-2.1, 1.15]))
    x = alt.X("score:Q", title=None, scale=alt.Scale(zero=False, nice=True))
    points = alt.Chart(alt.NamedData("points"), name="all").encode(y=y, yOffset=offset, x=x)
    means = alt.Chart(alt.NamedData("means")).encode(y=y)
    decisions = {"domain": [RIGHT, WRONG]}
    legend = alt.Legend(title=None, orient="bottom", direction="horizontal", offset=6)
    dots = points.mark_point(aria=False, filled=True, opacity=0.62, strokeWidth=0).encode(
        size=alt.condition(f"datum.decision === '{WRONG}'", alt.value(64), alt.value(30)),
        color=alt.Color("decision:N", scale=alt.Scale(**decisions, range=[_ACCENT, _WARN]), legend=legend),
        shape=alt.Shape("decision:N", scale=alt.Scale(**decisions, range=["circle", "diamond"]), legend=legend),
        tooltip=[
            alt.Tooltip("image:N", title="image id"),  # `image` alone would be taken for an address
            alt.Tooltip("class:N", title="true class"),
            alt.Tooltip("predicted:N", title="decision"),
            alt.Tooltip("told:N", title="score"),
        ],
    )
    chosen = points.transform_filter("datum.i === picked").properties(name="chosen")
    path = (
        chosen.mark_line(aria=False, color=_INK, strokeWidth=1, strokeDash=[2, 2])
        .encode(order="place:Q")
        .properties(name="path")
    )
    rings = chosen.mark_point(aria=False, filled=False, size=110, color=_INK, strokeWidth=1.6, opacity=1).properties(
        name="rings"
    )
    low, middle = (alt.X(f"{name}:Q", title=None) for name in ("low", "mean"))
    span = means.mark_rule(aria=False, color=_INK, strokeWidth=2).encode(x=low, x2="high:Q", yOffset="offset:Q")
    mean = means.mark_tick(aria=False, color=_INK, thickness=2.5, size=16).encode(x=middle, yOffset="offset:Q")
    text = {"aria": False, "baseline": "middle", "fontSize": 12, "color": _INK}
    name = means.mark_text(align="left", fontWeight=600, **text).encode(text="name:N", x=alt.value(0), yOffset="top:Q")
    stated = means.mark_text(align="right", **text).encode(text="told:N", x=alt.value("width"), yOffset="top:Q")
    layers = alt.layer(
        dots.properties(name="dots"),
        span.properties(name="span"),
        mean.properties(name="mean"),
        path,
        rings,
        name.properties(name="name"),
        stated.properties(name="told"),
    )
    chart = layers.add_params(picked).properties(width="container", height=ROW * len(models))
    chart = chart.properties(autosize=alt.AutoSizeParams(type="fit-x", contains="padding"), background="transparent")
    chart = chart.configure(font=_FONT, padding={"left": 2, "right": 8, "top": 2, "bottom": 2}, aria=False)
    chart = chart.configure_view(stroke=None)
    chart = chart.configure_axis(
        domain=False, ticks=False, gridColor=_LINE, labelColor=_MUTED, labelFontSize=11, labelPadding=6, tickCount=6
    )
    chart = chart.configure_legend(labelColor=_MUTED, labelFontSize=12, symbolSize=45)
    made = chart.to_dict()
    return {key: value for key, value in made.items() if key != "$schema"}  # an address, which no page needs


NUMBERS = 120_000  # scores that a page carries at most: about 0.8 MB
NOT_SCORED = "the image is not among those that were scored"


@dataclass(frozen=True)
class Explorer:
    """`data` is JSON that is safe inside <script>; `scored` and `pictured` are numbers of images, `explained` of all
    that have heatmaps."""

    data: Markup
    library: Markup
    models: Sequence[str]
    methods: dict[str, str]  # as tables have them -> usual names
    classes: Sequence[str]
    families: dict[str, list[tuple[str, str]]]  # title -> (key, name) of its metrics
    chosen: str  # the metric that is shown first
    explained: int
    scored: int
    pictured: int
    outlined: bool


def make(inputs: Inputs, count: int) -> Explorer | None:
    """Scores of single images of the first seed, with pictures of `count` of them; None where there is nothing to show.

    The pictures are of the images that the page's filters ask for first (best, worst, models that disagree, wrong
    decisions; up to half of `count`), and of others spread over the groups.
    """
    images = _explained(inputs)
    metrics = _metrics(inputs)
    if not count or images.empty or not metrics:
        return None
    columns = len(metrics) * len(inputs.methods) * len(inputs.models)
    predicted = _predicted(inputs, images.index)
    pictured = _pictured(inputs, images, predicted, count)
    scored = sorted({*pictured, *_spread(inputs, images, NUMBERS // columns)})
    images, predicted = images.iloc[scored], predicted.iloc[scored]
    place = {row: i for i, row in enumerate(scored)}
    drawn = {place[row]: _pictures(inputs, images.index[place[row]]) for row in pictured}
    scores, whys, reasons = _scores(inputs, metrics, images.index)
    families = {}
    for name, family in metrics:
        families.setdefault(_title(family), []).append((name, inputs.metric(name).name))
    data = {
        "models": named(inputs.models),
        "competent": [inputs.worth(model) for model in inputs.models],
        "methods": list(inputs.methods),
        "named": dict(zip(inputs.methods, named(inputs.methods), strict=True)),
        "classes": list(inputs.decisions),
        "group": "" if _kind(inputs) == "image" else numbers.UNITS[_kind(inputs)][0],
        "metrics": {name: _described(inputs, name) for name, _ in metrics},
        "images": {
            "id": list(images.index),
            "group": list(images["group"]),
            "label": [int(label) for label in images["label"]],
            "predicted": [[int(found) for found in predicted[model]] for model in inputs.models],
        },
        "scores": scores,
        "means": _means(inputs, metrics),
        "whys": whys,
        "reasons": reasons,
        "pictures": drawn,
        "tile": {"side": gallery.TILE, "edge": gallery.EDGE},
        "spec": spec(named(inputs.models)),
    }
    return Explorer(
        data=script_json(data),
        library=library(),
        models=named(inputs.models),
        methods={name: data["named"][name] for name in (inputs.lead, *inputs.methods)},
        classes=inputs.decisions,
        families=families,
        chosen=next((name for name, family in metrics if name == inputs.primary(family)), metrics[0][0]),
        explained=len(_explained(inputs)),
        scored=len(scored),
        pictured=len(pictured),
        outlined=any(one["outline"] for one in drawn.values()),
    )


def named(names: Sequence[str]) -> list[str]:
    """Return the usual names, but names as they are where two would be called the same."""
    usual = [called(name) for name in names]
    return [name if usual.count(title) > 1 else title for name, title in zip(names, usual, strict=True)]


def script_json(data: object) -> Markup:
    """JSON that holds nothing which could end a <script> element or begin another, whatever the names in it are."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return Markup(text)


@cache
def library() -> Markup:
    """Vega, Vega-Lite and Vega-Embed as one script, in a scope of its own."""
    source = vl_convert.javascript_bundle()
    return Markup("(() => {" + source.replace("</script", "<\\/script").replace("<!--", "<\\!--") + "})();")


def _explained(inputs: Inputs) -> pd.DataFrame:
    """image_id -> group, label: every image that a heatmap was asked of, in the manifest's order; of cases, those that
    have scores, which all models explain."""
    rows = inputs.scores if inputs.multilabel else pd.concat(inputs.index.values(), ignore_index=True)
    return inputs.cases.loc[inputs.cases.index.isin(rows["image_id"]), ["group", "label"]]


def _kind(inputs: Inputs) -> str:
    return inputs.results.groups.kind


def _title(family: str) -> str:
    return family.replace("_", " ").capitalize()


def _metrics(inputs: Inputs) -> list[tuple[str, str]]:
    """(metric, family), those that are tested before the others of their family; of these none that is a variant.
    None that has no value for any image."""
    wanted = inputs.scores[inputs.scores["method"].isin(inputs.methods) & inputs.scores["value"].notna()]
    found = wanted.drop_duplicates(["family", "metric"])[["family", "metric"]]
    chosen = []
    for family in inputs.families:
        names = found.loc[found["family"] == family, "metric"]
        first = [name for name in names if name == inputs.primary(family)]
        plain = [name for name in names if FAMILIES[family].rates_maps and name in METRICS and name not in first]
        chosen += [(name, family) for name in first + plain]
    return chosen


def _described(inputs: Inputs, name: str) -> dict:
    metric = inputs.metric(name)
    return {"name": metric.name, "asks": metric.asks, "better": metric.better, "direction": metric.direction}


def _predicted(inputs: Inputs, images: pd.Index) -> pd.DataFrame:
    """[images, models] the class that each model's first seed chose; -1 where it is not known."""
    first = inputs.predictions[inputs.predictions["seed"] == inputs.seeds[0]]
    wide = first.pivot(index="image_id", columns="model", values="predicted")
    return wide.reindex(index=images, columns=list(inputs.models)).fillna(-1).astype(int)


def _spread(inputs: Inputs, images: pd.DataFrame, count: int, without: Iterable[int] = ()) -> list[int]:
    left = [row for row in range(len(images)) if row not in set(without)]
    part = images.iloc[left]
    return [left[i] for i in spread(inputs.study, list(part.index), list(part["group"]), max(0, count))]


def _pictured(inputs: Inputs, images: pd.DataFrame, predicted: pd.DataFrame, count: int) -> list[int]:
    """Rows of the images whose pictures are carried, in rising order."""
    if len(images) <= count:
        return list(range(len(images)))
    lists = []
    models = inputs.competent or list(inputs.models)
    for family in families_with("rates_maps"):
        metric = inputs.primary(family) if family in inputs.families else None
        rows = inputs.scores[(inputs.scores["metric"] == metric) & (inputs.scores["method"] == inputs.lead)]
        wide = rows[rows["model"].isin(models)].pivot_table(index="image_id", columns="model", values="value")
        wide = wide.reindex(images.index).dropna(how="all")
        rising = list(wide.mean(axis=1).sort_values(kind="stable").index)
        apart = (wide.max(axis=1) - wide.min(axis=1)).sort_values(ascending=False, kind="stable")
        lists += [rising, rising[::-1], list(apart.index)]
    mistaken = predicted[models].ne(images["label"], axis=0).sum(axis=1)
    lists.append(list(mistaken[mistaken > 0].sort_values(ascending=False, kind="stable").index))
    turns = (name for turn in zip_longest(*lists) for name in turn if name is not None)
    extremes = [images.index.get_loc(name) for name in list(dict.fromkeys(turns))[: count // 2]]
    return sorted([*extremes, *_spread(inputs, images, count - len(extremes), extremes)])


def _scores(inputs: Inputs, metrics: Sequence[tuple[str, str]], images: pd.Index) -> tuple[dict, list, list]:
    """Scores as metric -> method -> for each model [values, number of its reasons or -1], the lists of reasons (a code
    an image, 0 where there is a value), and what the codes mean."""
    rows = inputs.scores[inputs.scores["metric"].isin([name for name, _ in metrics])]
    rows = rows[rows["method"].isin(inputs.methods) & rows["image_id"].isin(images)]
    found = dict(iter(rows.groupby(["family", "metric", "method", "model"])))
    codes, whys, tables = {"": 0}, {}, {}
    for (name, family), method, model in product(metrics, inputs.methods, inputs.models):
        part = found.get((family, name, method, model), rows.iloc[:0]).drop_duplicates("image_id")
        part = part.set_index("image_id").reindex(images)
        values = [_rounded(value) for value in part["value"]]
        stated = [
            "" if value is not None else words.reason(reason) if isinstance(reason, str) and reason else NOT_SCORED
            for value, reason in zip(values, part["reason"], strict=True)
        ]
        why = tuple(codes.setdefault(text, len(codes)) for text in stated)
        number = whys.setdefault(why, len(whys)) if any(why) else -1
        tables.setdefault(name, {}).setdefault(method, []).append([values, number])
    return tables, [list(why) for why in whys], list(codes)


def _means(inputs: Inputs, metrics: Sequence[tuple[str, str]]) -> dict:
    """metric -> method -> for each model its mean and interval over groups and trainings, as in the page's tables."""
    table = inputs.metrics[inputs.metrics["metric"].isin([name for name, _ in metrics])]
    table = table[table["method"].isin(inputs.methods)]
    known = {(row.metric, row.method, row.model): (row.mean, row.low, row.high) for row in table.itertuples()}
    return {
        name: {
            method: [[_rounded(v) for v in known.get((name, method, model), [None] * 3)] for model in inputs.models]
            for method in inputs.methods
        }
        for name, _ in metrics
    }


def _rounded(value: float | None) -> float | None:
    """Four significant digits; None where there is no number."""
    return float(f"{value:.4g}") if value is not None and np.isfinite(value) else None


def _pictures(inputs: Inputs, image: str) -> dict:
    """One image, its outline, its heatmaps as a sprite of methods x models, and why a heatmap is not there."""
    place, truth = inputs.cases.loc[image, ["place", "truth"]]
    known = truth != "none"
    tiles, missing = [], {}
    for number, (method, model) in enumerate(product(inputs.methods, inputs.models)):
        heat = _heat(inputs, model, method, image)
        if isinstance(heat, str):
            missing[number] = heat
        tiles.append(np.zeros((gallery.TILE, gallery.TILE)) if isinstance(heat, str) else gallery.tile(heat))
    return {
        "image": gallery.photo(gallery.picture(inputs.pixels[place])),
        "outline": gallery.outline_path(inputs.region(image)) if known else "",
        "sprite": gallery.sprite(tiles, len(inputs.models)) if len(missing) < len(tiles) else "",
        "missing": missing,
    }


def _heat(inputs: Inputs, model: str, method: str, image: str) -> np.ndarray | str:
    """A heatmap, or why there is none to show."""
    index = inputs.index[model]
    found = index.index[(index["image_id"] == image) & (index["method"] == method)]
    if not len(found):
        return "not computed"
    row = index.loc[found[0]]
    if row["degenerate"]:
        return words.reason(row["degenerate"])
    return inputs.heat(model, found[0]) if row["row"] >= 0 else "not computed"
