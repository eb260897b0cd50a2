"""Statements on a whole study: its setting, seeds, groups, split, models, ensembles and what others report."""

from collections.abc import Iterable, Sequence

from heatproof.core.statements import Number, Statement
from heatproof.data.sources.places import GIVEN
from heatproof.stats.results import Setting, StudyResults
from heatproof.stats.tests.architectures import MIN_SEEDS

TRAINED, TAKEN = "trained", "taken"
SINGLE_METHOD = ("localization", "faithfulness", "consistency", "robustness", "sanity")  # families


def state(
    kind: str, evidence: str = "", *, reason: str | None = None, numbers: dict | None = None, **subjects
) -> Statement:
    """Return a statement; a subject may be one name or several, and what is None is left out.

    >>> state("pairs.apart", "localization", numbers={"apart": 2}, over="a", models=["a", "b"]).subjects
    {'over': ('a',), 'models': ('a', 'b')}
    """
    named = {role: (names,) if isinstance(names, str) else tuple(names) for role, names in subjects.items()}
    return Statement(
        kind,
        {role: names for role, names in named.items() if names},
        {name: value for name, value in (numbers or {}).items() if value is not None},
        reason,
        (evidence,) if evidence else (),
    )


def about(results: StudyResults, family: str, method: str) -> dict[str, str]:
    """Return the subjects that statements on a family and method share."""
    return {"family": family, "method": method, "metric": results.families[family].metric}


def scope(results: StudyResults, family: str = "", method: str = "") -> dict:
    """Return whom verdicts of a family and method speak of: architectures, or these models as trained here or taken."""
    outcome = results.families[family].outcomes.get(method) if family else None
    if outcome and outcome.over_seeds:
        return {"scope": outcome.population}
    return {"scope": TRAINED if results.setting is None or results.setting.trained_here else "checkpoints"}


def setting(setting: Setting, kind: str = "setting.full") -> Statement:
    """State what the models were trained from and on: `setting.full`, or in few words `setting.short`."""
    starts: dict[str, list[str]] = {}
    for model, weights in setting.weights.items():
        start = TAKEN if weights == "brought" and setting.epochs[model] == 0 else weights
        starts.setdefault(start, []).append(model)
    numbers: dict = {start: tuple(setting.epochs[model] for model in models) for start, models in starts.items()}
    numbers |= {"size": setting.size, "seeds": len(setting.seeds)}
    text = setting.text.strip()
    return state(kind, numbers=numbers, **starts, text=text if kind == "setting.full" and text else ())


def seeds(results: StudyResults) -> Statement:
    """State how far verdicts from so many training seeds reach."""
    count, most, unit = results.seeds.count, results.seeds.most, results.groups.kind
    if count != most:
        return state("seeds.uneven", "method", numbers={"seeds": count, "most": most})
    kind = "seeds.checkpoints" if count < MIN_SEEDS else "seeds.architectures"
    return state(kind, "method", numbers={"seeds": count, "needed": MIN_SEEDS}, unit=unit, **scope(results))


def groups(results: StudyResults) -> Statement:
    """State whether the groups that the tests are on are independent."""
    kind = results.groups.kind
    found = "united" if kind == "lookalike" and results.groups.patients_known else kind
    reason = "random_split" if kind == "patient" and results.groups.split_by == "random" else None
    numbers = {"groups": results.groups_test, "folds": results.folds}
    return state(f"groups.{found}", "data", reason=reason, numbers=numbers, unit=kind)


def localized(results: StudyResults) -> Statement | None:
    """State on how many groups localization is tested, where those are not all."""
    family = results.families.get("localization")
    outcomes = family.outcomes.values() if family else ()
    tested = [row.groups for outcome in outcomes for of in outcome.controls.values() for row in of.values()]
    count = max(tested, default=0)
    if not 0 < count < results.groups_test:
        return None
    numbers, unit = {"groups": count}, results.groups.kind
    return state("groups.localized", "localization", numbers=numbers, unit=unit, metric=family.metric)


def unscored(results: StudyResults) -> Statement | None:
    """State which families that describe a single method this study does not score."""
    missing = [name for name in SINGLE_METHOD if name not in results.families]
    return state("groups.unscored", "scorecard", families=missing) if missing else None


def comparison(results: StudyResults) -> Statement | None:
    """State what the same models score on a random split and on the study's."""
    found = results.comparison
    if found is None:
        return None
    kept = "given" if results.groups.split_by in GIVEN else results.groups.kind
    numbers = {name: tuple(getattr(found, name).values()) for name in ("random", "grouped", "fall")}
    return state("splits.compared", "models", numbers=numbers, models=found.random, clear=found.clear, kept=kept)


def _competence(results: StudyResults, kind: str, **subjects) -> Statement:
    """State on models that take part in no verdict, or on all of them, with what competence requires."""
    needed = results.competence
    if needed.reason:
        numbers = {"needed": results.labels.min_patients}
        return state(kind, "models", reason=needed.reason, numbers=numbers, unit=results.groups.kind, **subjects)
    numbers = {"floor": needed.floor, "chance": needed.chance}
    return state(kind, "models", numbers=numbers, measure=needed.measure, **subjects)


def none_competent(results: StudyResults) -> Statement:
    """State that no model takes part in verdicts."""
    return _competence(results, "models.none_competent")


def left_out(results: StudyResults) -> Statement | None:
    """State which models take part in no verdict."""
    names = [model for model in results.models if model not in results.judged]
    return _competence(results, "models.left_out", models=names) if names else None


def unstated(results: StudyResults) -> Statement | None:
    """State that nothing is known about the accuracy of some checkpoints on unseen images."""
    models = results.setting.unstated if results.setting else ()
    return state("models.unstated", "models", models=models) if models else None


def unsupported(results: StudyResults, method: str) -> list[Statement]:
    """State which models a method does not support, one statement a reason."""
    by_reason: dict[str, list[str]] = {}
    for model, reason in results.refused.get(method, {}).items():
        by_reason.setdefault(reason, []).append(model)
    numbers = {"all": len(results.models)}
    return [
        state("methods.unsupported", "left-out", reason=reason, numbers=numbers, method=method, models=models)
        for reason, models in by_reason.items()
    ]


def several_methods(results: StudyResults) -> Statement | None:
    """State what several methods do to the tests."""
    count = len(results.methods)
    return state("methods.several", "method", numbers={"methods": count}) if count > 1 else None


def labels(results: StudyResults) -> Statement | None:
    """State which labels have too few test images to be counted."""
    if results.labels is None or not results.labels.not_counted:
        return None
    having, lacking = zip(*results.labels.not_counted.values(), strict=True)
    numbers = {"having": having, "lacking": lacking, "needed": results.labels.min_patients}
    none = None if results.labels.counted else "none"
    names = results.labels.not_counted
    return state("labels.not_counted", "models", reason=none, numbers=numbers, labels=names, unit=results.groups.kind)


def cases(results: StudyResults) -> Statement | None:
    """State what a case is, and how many are left out."""
    if not results.multilabel:
        return None
    left = {family: found for family, found in results.cases.items() if found.left_out}
    numbers = {name: tuple(getattr(found, name) for found in left.values()) for name in ("kept", "left_out")}
    return state("cases.compared", "data", numbers=numbers, families=left)


def ensembles(results: StudyResults) -> list[Statement]:
    """State how each ensemble classifies, and where its heatmaps differ from those of its best member."""
    found = []
    for name, made in results.ensembles.items():
        first, *scored = made.against
        measure = "f1_micro" if results.multilabel else "accuracy"  # of one class an image, micro F1 is the accuracy
        numbers: dict[str, Number] = {"members": len(made.models), "value": first.ensemble, "best": first.value}
        numbers |= {key: getattr(first, key) for key in ("difference", "low", "high", "groups")}
        subjects = {"combine": made.combine, "measure": measure, "member": first.member, "unit": results.groups.kind}
        alike = None if first.clear else "alike"
        found.append(state("ensemble.accuracy", "models", reason=alike, numbers=numbers, ensemble=name, **subjects))
        clear = [row for row in scored if row.clear]
        found.append(
            state(
                "ensemble.heatmaps",
                "models",
                numbers={"tested": len(scored)},
                ensemble=name,
                ways=["better" if row.better else "worse" for row in clear],
                metrics=[row.measure for row in clear],
                methods=[row.method for row in clear],
            )
        )
    return found


def published(results: StudyResults) -> list[Statement]:
    """State how much of what each source reports a nearest neighbour explains."""
    found = []
    for name, stated in results.published.items():
        if not stated.measure:
            continue
        columns = ("share", "low", "high", "neighbour", "base")
        numbers: dict = {key: tuple(getattr(one, key) for one in stated.explained.values()) for key in columns}
        numbers |= {"lowest": min(stated.reported), "highest": max(stated.reported)}
        subjects = {"name": name, "source": stated.source, "measure": stated.measure, "splits": stated.explained}
        found.append(state("published.explained", "models", numbers=numbers, **subjects))
    return found


def statements(results: StudyResults) -> list[Statement]:
    """Return what holds for every family and method."""
    found: Iterable[Statement | None] = [
        unstated(results),
        left_out(results),
        labels(results),
        comparison(results),
        *ensembles(results),
        groups(results),
        localized(results),
        unscored(results),
        cases(results),
        seeds(results),
        several_methods(results),
    ]
    return [one for one in found if one]


def of_table(results: StudyResults, images: int, notes: Sequence[Statement]) -> list[Statement]:
    """Return what holds for every family and method of a user's own table of scores."""
    kind = "table.independent" if results.groups.kind == "image" else "table.groups"
    unit = state(kind, numbers={"images": images, "groups": results.groups_test}, unit=results.groups.kind)
    many = len(results.families)
    each = [state("table.metrics", numbers={"metrics": many})] if many > 1 else []
    return [unit, *notes, seeds(results), state("table.unknown_models"), *each]
