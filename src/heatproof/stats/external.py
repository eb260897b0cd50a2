"""The tests of a study on a user's table of per-image scores, without a study around it; and options of methods that
are chosen on validation groups, so that the tests are not of the best of many."""

import shlex
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, product
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from heatproof.catalogue.families import CONTROLS
from heatproof.catalogue.reasons import NO_VALUE
from heatproof.core.draws import generator
from heatproof.core.messages import InputError, bare, list_error, listed, setting
from heatproof.core.statements import Statement
from heatproof.data.sources.rows import spellings
from heatproof.stats.results import Groups, Model, Seeds, StudyResults, number
from heatproof.stats.statements.general import of_table, state
from heatproof.stats.statements.verdicts import family_statements
from heatproof.stats.tables.groups import compact, count_missing, group_means, in_order, metrics_table, seed_group_means
from heatproof.stats.tables.score_table import CHOICE, KEYS, OPTIMISM, OPTIONS, ScoreTable, find_metric
from heatproof.stats.tests.analysis import Compared
from heatproof.stats.tests.omnibus import compare_pairs, heterogeneity, linked, mean_ranks, over_data_sets
from heatproof.stats.tests.paired import DECIMALS
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
    validation: ScoreTable | None = None,
    choose_by: str | None = None,
) -> tuple[dict[str, pd.DataFrame], StudyResults]:
    """Make all tests of a table as `score_table.read` gives it; every metric is a family of its own.

    Args:
        lower: metrics of which a low value is good, where `score_table` does not know that.
        higher: metrics of which a high value is good.
        controls: the methods that a heatmap has to beat; None for a random and a centred map, where they are there.
        settings: section `stats`.
        incomplete: whether groups may have some models only, by design; a value that is missing without a stated reason
            was not meant to be.
        validation: scores of validation images, by which one option of each method is chosen; both tables then have
            the columns `score_table.CHOICE`.
        choose_by: the metric that chooses; None for the only one.

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
    choice = None
    if validation is not None:
        metric = _chooser(choose_by, directions, {*validation.scores["metric"]})
        lower_is_better = directions[metric] == "lower"
        choice = choose(validation.scores, table, metric, judged, settings["interval"], lower_is_better=lower_is_better)
        table, judged = choice.scores, choice.controls
        beside, methods = {*beside, *judged}, list(dict.fromkeys(table["method"]))
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
    noted += choice.statements(results.groups.kind) if choice else []
    made = of_table(results, results.images_test, [*noted, *notes])
    if not any(found.over_seeds for of in results.families.values() for found in of.outcomes.values()):
        made = [one for one in made if one.kind != "seeds.architectures"]  # not from groups that lack models
    tables = gathered.tables
    for method, metric in product(own, tested):
        one = gathered.compared.get((metric, method))
        made += choice.reported(method, results.groups.kind) if choice and metric == choice.metric else []
        made += [*(_layout(one, results) if one else []), *family_statements(results, metric, method)]
        if one:
            stated, rows = _over_data_sets(one, read.data_sets, design) if sets > 1 else ([], [])
            made += stated
            tables["omnibus"] = pd.concat([tables["omnibus"], pd.DataFrame(rows)], ignore_index=True)
    if sets:
        tables["datasets"] = _by_data_set(gathered.compared.values(), read.data_sets)
    tables |= {"metrics": described, "missing": in_order(missing, methods, models)}
    tables |= {"options": choice.options, "optimism": choice.optimism} if choice else {}
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


DRAWS = 1000  # of the groups, behind the interval of the optimism
CHECKPOINT = ["method", "model", "seed", "fold"]


class Candidates(NamedTuple):
    """Mean scores [groups, options] of one checkpoint's heatmaps, of groups with a score of every option."""

    seed: int
    fold: str
    validation: pd.DataFrame
    test: pd.DataFrame


@dataclass(frozen=True)
class Choice:
    """Options that were chosen on validation groups.

    Attributes:
        metric: that chose.
        groups: validation groups.
        scores: of the test images: each method by the options that were chosen, and each of `controls` that has several
            options by every one, under a name of its own.
        controls: those that heatmaps have to beat.
        untuned: those of them with a single option.
        options, optimism: tables with the columns of `score_table.OPTIONS` and `OPTIMISM`.
    """

    metric: str
    groups: int
    scores: pd.DataFrame
    controls: list[str]
    untuned: list[str]
    options: pd.DataFrame
    optimism: pd.DataFrame

    def statements(self, unit: str) -> list[Statement]:
        """State how options were chosen, and which controls have none to choose from."""
        made = [state("choice.by", numbers={"validation": self.groups}, metric=self.metric, unit=unit)]
        return [*made, state("choice.untuned", controls=self.untuned)] if self.untuned else made

    def reported(self, method: str, unit: str) -> list[Statement]:
        """State what was chosen of a method, and the optimism of a choice on the test groups."""
        made = []
        for row in self.optimism[self.optimism["method"] == method].to_dict("records"):
            of = self.options[(self.options["method"] == method) & (self.options["model"] == row["model"])]
            picked = {key: of.loc[of[key], "option"].unique() for key in ("chosen", "best_on_test")}
            numbers = {key: number(row[key]) for key in ("chosen", "naive", "optimism", "low", "high")}
            names = {"options": picked["chosen"], "best": picked["best_on_test"], "models": row["model"]}
            about = {"family": self.metric, "metric": self.metric, "method": method, "unit": unit}
            made.append(state("choice.option", numbers=numbers, **names, **about))
        return made


def choose(
    validation: pd.DataFrame,
    test: pd.DataFrame,
    metric: str,
    controls: Sequence[str],
    level: float,
    *,
    lower_is_better: bool = False,
) -> Choice:
    """Choose one option of each method on validation groups, for every checkpoint (model, seed, fold) by itself.

    A control keeps all of its options, and a heatmap has to beat it by each. A control whose option is chosen like the
    method's is no fair match: where options differ, the one that was chosen worse loses, and noise beats noise too
    often (`docs/simulations.md` has the rates).

    Args:
        validation, test: scores as `score_table.read` gives them with `options`.
        metric: whose mean over validation groups is to be best.
        controls: those that heatmaps have to beat.
        level: of the intervals of the optimism.

    Raises:
        InputError: a group is in both tables of a fold, or an option lacks scores in one of them.

    >>> rows = [(f"i{i}", f"p{i}", option, i / 9 + (option == "b")) for i in range(9) for option in "ab"]
    >>> table = pd.DataFrame(rows, columns=["image_id", "group", "option", "value"])
    >>> table = table.assign(fold="", model="net", seed=0, method="gradcam", metric="iou")
    >>> others = table.assign(group="other " + table["group"])
    >>> found = choose(others, table, "iou", [], 0.95)
    >>> found.options.loc[found.options["chosen"], "option"].tolist(), len(found.scores)
    (['b'], 9)
    """
    _apart(validation, test)
    sign = -1 if lower_is_better else 1
    several = test.groupby("method")["option"].transform("nunique") > 1
    named = {one: [one] for one in controls}
    for method, options in test[several & test["method"].isin(controls)].groupby("method")["option"]:
        named[method] = [_at_option(method, option) for option in sorted(options.unique())]
    kept, rows, optimism = [test[~several]], [], []
    for (method, model), of in test[several].groupby(["method", "model"], sort=False):
        found = list(_candidates(validation, of, metric))
        optimism.append({"method": method, "model": model} | optimism_of(found, sign, level))
        for one in found:
            means = {"validation": one.validation.mean(), "test": one.test.mean()}
            best, naive = (one.test.columns[(sign * mean).round(DECIMALS).argmax()] for mean in means.values())
            names = {"method": method, "model": model, "seed": one.seed, "fold": one.fold}
            table = pd.DataFrame(means).rename_axis("option").reset_index().assign(**names)
            table["chosen"], table["best_on_test"] = table["option"] == best, table["option"] == naive
            rows.append(table.assign(validation_groups=len(one.validation), groups=len(one.test)))
            if method not in controls:
                chosen = (of["seed"] == one.seed) & (of["fold"] == one.fold) & (of["option"] == best)
                kept.append(of[chosen])
        if method in controls:
            kept.append(of.assign(method=[_at_option(method, option) for option in of["option"]]))
    if not rows:
        raise InputError("option: every method has one alone, so that there is nothing to choose; leave out validation")
    scores = pd.concat(kept).drop(columns=list(CHOICE))
    if (again := scores.duplicated(KEYS)).any():
        row = scores[again].iloc[0]
        raise InputError(f"fold: image {row['image_id']} is tested in two folds by {row['method']}; keep one")
    return Choice(
        metric,
        validation["group"].nunique(),
        scores.sort_values(["metric", "method", "model", "seed", "image_id"], ignore_index=True),
        [name for of in named.values() for name in of],
        [one for one, of in named.items() if of == [one]],
        pd.concat(rows, ignore_index=True)[[*OPTIONS]],
        pd.DataFrame(optimism)[[*OPTIMISM]],
    )


def _at_option(control: str, option: str) -> str:
    """Return what a control is called at one of its options."""
    return f"{control} ({option})" if option else control


def _chooser(choose_by: str | None, directions: Mapping[str, str], there: Collection[str]) -> str:
    """Return the metric that chooses: the stated one, or the only one of which an end is better.

    Args:
        there: metrics of the validation scores.
    """
    able = [metric for metric, better in directions.items() if better != "none" and metric in there]
    key = setting("choose_by")
    if not able:
        raise InputError(
            f"{setting('validation')}: none of the metrics that are tested; there are {listed(sorted(there), 8)}"
        )
    if choose_by is not None:
        return _named(key, [choose_by if choose_by in able else find_metric(choose_by).name], able)[0]
    if len(able) > 1:
        raise InputError(f"{key}: not set; name the metric that chooses options: {listed(able, 8)}")
    return able[0]


def _apart(validation: pd.DataFrame, test: pd.DataFrame) -> None:
    """Refuse groups that choose options and are tested by them."""
    for fold, tested in test.groupby("fold")["group"]:
        chooses = validation.loc[validation["fold"] == fold, "group"]
        names = spellings(sorted({*chooses, *tested}))
        if both := sorted({*chooses.map(names)} & {*tested.map(names)}):
            raise list_error(
                f"{setting('validation')}: a group that is tested, too",
                both,
                "choose options on others; with cross-validation, name the fold of each row in a column fold",
            )


def _candidates(validation: pd.DataFrame, test: pd.DataFrame, metric: str) -> Iterator[Candidates]:
    """Yield the options of each checkpoint of one method and model; those without any validation score are left out."""
    tables = {"validation": validation, "scores": test}
    of = {name: table[table["metric"] == metric].groupby(CHECKPOINT) for name, table in tables.items()}
    for key, tested in test.groupby(CHECKPOINT):
        wide, scored = {}, {name: rows.get_group(key) if key in rows.groups else test[:0] for name, rows in of.items()}
        options = {*tested["option"], *scored["validation"]["option"]}
        for name, rows in scored.items():
            if missing := sorted(options - {*rows["option"]}):
                of_what = zip(CHECKPOINT, key, strict=True)
                named = ", ".join(f"{column} {value}" for column, value in of_what if value != "")
                raise InputError(f"{setting(name)}: no {metric} of option {missing[0]!r} ({named}); score it, too")
            means = rows.groupby(["group", "option"])["value"].mean().unstack()
            wide[name] = means.dropna(axis=1, how="all") if name == "validation" else means[[*wide["validation"]]]
            wide[name] = wide[name].dropna()
            if wide[name].empty:
                raise InputError(
                    f"{setting(name)}: no group has {metric} of every option of {key[0]}, model {key[1]}; leave out "
                    "the options that fail"
                )
        yield Candidates(*key[2:], wide["validation"], wide["scores"])


def optimism_of(checkpoints: Sequence[Candidates], sign: int, level: float) -> dict[str, float]:
    """Compare the choice on validation groups with the naive one on the test groups, over all checkpoints of a method
    and model.

    In each of `DRAWS` draws groups get random weights (Rubin's Bayesian bootstrap, 1981), and both choices are made
    anew. The interval is Student's, with the spread of their difference over the draws.

    Args:
        sign: -1 where a low score is good.
        level: of the interval.

    Returns:
        chosen and naive: means over test groups; optimism, how much better the naive mean looks; low, high; groups.

    >>> validation = pd.DataFrame({"a": [0.1, 0.2], "b": [0.3, 0.2]}, index=["p1", "p2"])
    >>> test = pd.DataFrame({"a": [0.4, 0.2], "b": [0.2, 0.2]}, index=["p3", "p4"])
    >>> found = optimism_of([Candidates(0, "", validation, test)], 1, 0.95)
    >>> [round(float(found[name]), 3) for name in ("chosen", "naive", "optimism")]
    [0.2, 0.3, 0.1]
    """
    parts = [part for one in checkpoints for part in (one.validation, one.test)]
    groups = pd.Index(sorted({group for part in parts for group in part.index}))
    drawn = generator("choose", len(groups)).exponential(size=(DRAWS, len(groups)))
    weights = np.vstack([np.ones(len(groups)), drawn])  # first the scores as they are

    def means(part: pd.DataFrame) -> np.ndarray:
        of = weights[:, groups.get_indexer(part.index)]
        return (sign * (of @ part.to_numpy(float)) / of.sum(1, keepdims=True)).round(DECIMALS)

    chosen, naive = np.zeros(1 + DRAWS), np.zeros(1 + DRAWS)
    tested = sum(len(one.test) for one in checkpoints)
    for one in checkpoints:
        scores = means(one.test)
        picked = means(one.validation).argmax(1)[:, None]
        chosen += np.take_along_axis(scores, picked, 1)[:, 0] * len(one.test) / tested
        naive += scores.max(1) * len(one.test) / tested
    apart, count = naive - chosen, len({group for one in checkpoints for group in one.test.index})
    half = stats.t.ppf((1 + level) / 2, count - 1) * apart[1:].std(ddof=1) if count > 1 else np.nan
    found = {"chosen": sign * chosen[0], "naive": sign * naive[0], "optimism": apart[0]}
    return found | {"low": max(apart[0] - half, 0.0), "high": apart[0] + half, "groups": count}
