"""The tests of a study on a user's table of per-image scores, without a study around it."""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import combinations, product

import pandas as pd

from heatproof.catalogue.families import CONTROLS
from heatproof.catalogue.reasons import NO_VALUE
from heatproof.core.messages import InputError, bare, listed, setting
from heatproof.core.statements import Statement
from heatproof.stats.results import Groups, Model, Seeds, StudyResults, number
from heatproof.stats.statements.general import of_table, state
from heatproof.stats.statements.verdicts import family_statements
from heatproof.stats.tables.groups import compact, count_missing, group_means, in_order, metrics_table, seed_group_means
from heatproof.stats.tables.score_table import ScoreTable, find_metric
from heatproof.stats.tests.analysis import Compared
from heatproof.stats.tests.omnibus import compare_pairs, heterogeneity, linked, mean_ranks, over_data_sets
from heatproof.stats.verdicts import rules
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
    incomplete: bool = False,
) -> tuple[dict[str, pd.DataFrame], StudyResults]:
    """Make all tests of a table as `score_table.read` gives it; every metric is a family of its own.

    Args:
        lower: metrics of which a low value is good, where `score_table` does not know that.
        higher: metrics of which a high value is good.
        controls: the methods that a heatmap has to beat; None for a random and a centred map, where they are there.
        settings: section `stats`.
        incomplete: whether groups may have some models only, by design; a value that is missing without a stated reason
            was not meant to be.

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
    if incomplete:
        table = table[table["value"].notna() | (table["reason"] != NO_VALUE.code)]
        _linked(table[table["method"].isin(own)])
    else:
        _same_images(table[table["method"].isin(own)])
    models, seeds = list(dict.fromkeys(table["model"])), table.groupby("model")["seed"].nunique()
    low = frozenset((m, m) for m in metrics if directions[m] == "lower")
    scores = compact(table.assign(family=table["metric"]))
    per_seed, missing = seed_group_means(scores), count_missing(scores)
    tested = [m for m in metrics if directions[m] != "none"]
    design = Design(
        models, own, {m: m for m in tested}, dict.fromkeys(tested, judged), low, settings, incomplete=incomplete
    )
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
    sets = len({*read.data_sets.values()})
    noted += [state("table.data_sets", numbers={"sets": sets})] if sets else []
    made = of_table(results, results.images_test, [*noted, *notes])
    if not any(found.over_seeds for of in results.families.values() for found in of.outcomes.values()):
        made = [one for one in made if one.kind != "seeds.architectures"]  # not from groups that lack models
    tables = gathered.tables
    for method, metric in product(own, tested):
        one = gathered.compared.get((metric, method))
        made += [*(_layout(one, results) if one else []), *family_statements(results, metric, method)]
        if one:
            stated, rows = _over_data_sets(one, read.data_sets, design) if sets > 1 else ([], [])
            made += stated
            tables["omnibus"] = pd.concat([tables["omnibus"], pd.DataFrame(rows)], ignore_index=True)
    if sets:
        tables["datasets"] = _by_data_set(gathered.compared.values(), read.data_sets)
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


def _layout(one: Compared, results: StudyResults) -> list[Statement]:
    """State how models of a table whose groups lack some of them are compared."""
    if one.declared == rules.SKILLINGS_MACK:
        there = one.wide.notna()
        apart = sum(not (there[a] & there[b]).any() for a, b in combinations(there, 2))
        numbers = {"complete": int(there.all(axis=1).sum()), "groups": len(there), "unlinked": apart or None}
        return [state("table.partial", numbers=numbers, unit=results.groups.kind, **_of(one))]
    if one.declared in (rules.KRUSKAL, rules.WELCH):
        return [state("table.disjoint", test=results.test, unit=results.groups.kind, **_of(one))]
    return []


def _of(one: Compared) -> dict[str, str]:
    return {"family": one.family, "metric": one.metric, "method": one.method}


MANY = 6  # data sets from which they are blocks of a test themselves; fewer cannot reach significance for a pair


def _over_data_sets(one: Compared, data_sets: Mapping[str, str], design: Design) -> tuple[list[Statement], list[dict]]:
    """State whether data sets agree, and what they find as blocks; with rows of the table of tests over all models."""
    of, sets = pd.Series(data_sets).reindex(one.wide.index), len({*data_sets.values()})
    names = {"family": one.family, "metric": one.metric, "factor": "model", "within": one.method}
    size = {"levels": one.wide.shape[1], "dropped": 0}
    found, rows, made = heterogeneity(one.wide, of), [], []
    if found is None:
        made.append(state("data_sets.untested", numbers={"sets": sets}, **_of(one)))
    else:
        kind = "differ" if rules.rejects(found["p"], design.alpha) else "alike"
        made.append(state(f"data_sets.{kind}", numbers={"sets": sets} | found, **_of(one)))
        rows.append(names | size | {"test": "heterogeneity", "groups": len(one.wide)} | found)
    means = one.wide.groupby(of.to_numpy()).mean().dropna()
    test = over_data_sets(means) if len(means) >= MANY else None
    if test:
        ranks = mean_ranks(means, (one.family, one.metric) in design.lower)
        pairs = compare_pairs(means)
        apart = pairs[rules.rejects(pairs["p_corrected"], design.alpha) & rules.rejects(test["p"], design.alpha)]
        above = [(row.a, row.b)[:: 1 if row.difference > 0 else -1] for row in apart.itertuples()]
        stated = ("statistic", "df1", "df2", "p") if number(test["statistic"]) is not None else ("p",)
        numbers = {key: test[key] for key in stated} | {"sets": len(means)}
        named = {"models": ranks.index, "over": [a for a, _ in above], "under": [b for _, b in above]}
        made.append(state("data_sets.over", numbers=numbers | {"ranks": tuple(ranks)}, **named, **_of(one)))
        rows.append(names | size | {"test": "data_sets", "groups": len(means)} | test)
    return made, rows


def _by_data_set(compared: Iterable[Compared], data_sets: Mapping[str, str]) -> pd.DataFrame:
    """Mean over groups and their number, of each model in each data set."""
    rows = []
    for one in compared:
        of = pd.Series(data_sets).reindex(one.wide.index).rename("dataset")
        long = (
            one.wide.groupby(of)
            .agg(["mean", "count"])
            .stack(0, future_stack=True)
            .reset_index(names=["dataset", "model"])
        )
        rows.append(long.rename(columns={"count": "groups"}).assign(metric=one.metric, method=one.method))
    return pd.concat(rows, ignore_index=True)


def _same_images(table: pd.DataFrame) -> None:
    """Refuse models that were scored on different images: their difference may be that of the images."""
    for (metric, method), rows in table.groupby(["metric", "method"], sort=False):
        every = set(rows["image_id"])
        for model, of in rows.groupby("model", sort=False):
            if lost := sorted(every - set(of["image_id"])):
                raise InputError(
                    f"{metric} by {method}: image {lost[0]} has no row of model {model}; give it one, with an empty "
                    f"value and a reason if there is none ({setting('incomplete')}: its group was not meant to have "
                    "that model)"
                )


def _linked(table: pd.DataFrame) -> None:
    """Refuse groups that models have different images of, and models that no group links to the others, unless no
    group has two of them."""
    for (metric, method), rows in table.groupby(["metric", "method"], sort=False):
        for group, of in rows.groupby("group", sort=False):
            every = set(of["image_id"])
            for model, images in of.groupby("model", sort=False)["image_id"]:
                if lost := sorted(every - set(images)):
                    raise InputError(
                        f"{metric} by {method}: image {lost[0]} of group {group} has no row of model {model}, which "
                        f"has others; give it one, with an empty value and a reason if there is none"
                    )
        wide = rows.pivot_table(index="group", columns="model", values="value", aggfunc="mean")
        sets = linked(wide)
        if rules.layout(wide) == rules.PARTIAL and len(sets) > 1:
            raise InputError(
                f"{metric} by {method}: no group links {' and '.join(sets[-1])} to the other models, so that they "
                f"cannot be compared; add groups that have both, or analyze them apart"
            )
