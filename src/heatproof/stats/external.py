"""The tests of a study on a user's table of per-image scores, without a study around it."""

import shlex
from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from heatproof.catalogue.families import CONTROLS
from heatproof.core.messages import InputError, bare, listed
from heatproof.core.statements import Statement
from heatproof.stats.results import Groups, Model, Seeds, StudyResults
from heatproof.stats.statements.general import of_table, state
from heatproof.stats.statements.verdicts import family_statements
from heatproof.stats.tables.groups import compact, count_missing, group_means, in_order, metrics_table, seed_group_means
from heatproof.stats.tables.score_table import ScoreTable, find_metric
from heatproof.stats.verdicts.gather import gather
from heatproof.stats.verdicts.rules import Design


def evaluate(
    read: ScoreTable,
    *,
    lower: Sequence[str] = (),
    higher: Sequence[str] = (),
    controls: Sequence[str] | None = None,
    settings: dict,
    independent: bool,
) -> tuple[dict[str, pd.DataFrame], StudyResults]:
    """Make all tests of a table as `score_table.read` gives it; every metric is a family of its own.

    Args:
        lower: metrics of which a low value is good, where `score_table` does not know that.
        higher: metrics of which a high value is good.
        controls: the methods that a heatmap has to beat; None for a random and a centred map, where they are there.
        settings: section `stats`.

    Returns:
        The tables by name, and the results with their statements.

    Raises:
        InputError: a name that is not in the table, or a metric whose direction is not known.
    """
    table = read.scores
    metrics, methods = list(dict.fromkeys(table["metric"])), list(dict.fromkeys(table["method"]))
    directions, notes = _directions(metrics, lower, higher)
    controls = None if controls is None else _named("--controls", controls, methods)
    beside = {*CONTROLS, *(controls or [])}
    judged = list(controls) if controls is not None else [m for m in ("random", "center") if m in methods]
    own = [method for method in methods if method.split(":")[0] not in beside]
    if not own:
        raise InputError("every method of the table is a control; there is no heatmap to test")
    _same_images(table[table["method"].isin(own)])
    models, seeds = list(dict.fromkeys(table["model"])), table.groupby("model")["seed"].nunique()
    low = frozenset((m, m) for m in metrics if directions[m] == "lower")
    scores = compact(table.assign(family=table["metric"]))
    per_seed, missing = seed_group_means(scores), count_missing(scores)
    tested = [m for m in metrics if directions[m] != "none"]
    design = Design(models, own, {m: m for m in tested}, dict.fromkeys(tested, judged), low, settings)
    described = metrics_table(group_means(per_seed), missing, settings["interval"], methods, models, per_seed)
    gathered = gather(scores, per_seed, described, design)
    results = StudyResults(
        study="",
        images_test=table["image_id"].nunique(),
        groups_test=table["group"].nunique(),
        groups=Groups("image" if independent else "group"),
        methods=tuple(own),
        seeds=Seeds(int(seeds.min()), int(seeds.max())),
        **{name: settings[name] for name in ("alpha", "interval", "test", "power")},
        models={model: Model(competent=True) for model in models},
        families=gathered.families,
    )
    noted = [state("table.note", reason=text) for text in read.notes]
    made = of_table(results, results.images_test, [*noted, *notes])
    made += [one for method in own for metric in tested for one in family_statements(results, metric, method)]
    tables = gathered.tables
    tables |= {"metrics": described, "missing": in_order(missing, methods, models)}
    return tables, replace(results, statements=tuple(made))


def _named(option: str, names: Sequence[str], known: Sequence[str]) -> list[str]:
    """The names of the table that an option means."""
    found = []
    for name in names:
        alike = [other for other in known if bare(other) == bare(name)]
        if name not in known and len(alike) != 1:
            raise InputError(f"{option} {name}: not in the table; there are {', '.join(known)}")
        found.append(name if name in known else alike[0])
    return found


def _directions(
    metrics: Sequence[str], lower: Sequence[str], higher: Sequence[str]
) -> tuple[dict[str, str], list[Statement]]:
    """Metric -> `higher`, `lower` or `none`, as stated by the user or else known, and what there is to say of it."""
    stated = {}
    for option, names in (("lower", lower), ("higher", higher)):
        here = [name if name in metrics else find_metric(name).name for name in names]
        for metric in _named(f"--{option}", here, metrics):
            if stated.setdefault(metric, option) != option:
                raise InputError(f"{metric}: --lower and --higher name it; keep one")
    known = {metric: find_metric(metric) for metric in metrics}
    directions = {metric: stated.get(metric) or known[metric].better for metric in metrics}
    if unknown := [metric for metric in metrics if not directions[metric]]:
        names = listed(map(shlex.quote, unknown), 8)
        meant = [
            f"; {metric} is {known[metric].meanings[0]} (higher is better) or {known[metric].meanings[1]} (lower is)"
            for metric in unknown
            if known[metric].meanings
        ]
        option = "METRIC" if len(unknown) > 1 else names
        raise InputError(
            f"metric {names}: not known whether a higher or a lower value is better; add --higher {option} or "
            f"--lower {option}{''.join(meant)}"
        )
    notes = [
        state("table.opposite", metric=metric, better=better)
        for metric, better in stated.items()
        if known[metric].better not in ("", "none", better)
    ]
    if described := [metric for metric in metrics if directions[metric] == "none"]:
        if len(described) == len(metrics):
            raise InputError(
                f"metric {listed(described, 8)}: describes heatmaps, no value is better; state otherwise with --higher "
                "METRIC or --lower METRIC"
            )
        notes.append(state("table.described", metrics=described))
    return directions, notes


def _same_images(table: pd.DataFrame) -> None:
    """Refuse models that were scored on different images: their difference may be that of the images."""
    for (metric, method), rows in table.groupby(["metric", "method"], sort=False):
        every = set(rows["image_id"])
        for model, of in rows.groupby("model", sort=False):
            if lost := sorted(every - set(of["image_id"])):
                raise InputError(
                    f"{metric} by {method}: image {lost[0]} has no row of model {model}; give it one, with an empty "
                    f"value and a reason if there is none"
                )
