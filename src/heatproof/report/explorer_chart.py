"""The chart of single images as a specification of Vega-Lite; the page's script fills it with numbers."""

from collections.abc import Sequence

import altair as alt

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
    told = means.mark_text(align="right", **text).encode(text="told:N", x=alt.value("width"), yOffset="top:Q")
    layers = alt.layer(
        dots.properties(name="dots"),
        span.properties(name="span"),
        mean.properties(name="mean"),
        path,
        rings,
        name.properties(name="name"),
        told.properties(name="told"),
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
