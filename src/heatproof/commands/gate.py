"""`heatproof gate`: are a candidate's heatmaps as good as a baseline's? For continuous integration.

Exit code 0: non-inferior within the margin by every criterion; 1: worse by one; 2: undecided; 3: bad input.
"""

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pandas as pd
import yaml

from heatproof.commands import judge as judging
from heatproof.commands import run as running
from heatproof.commands.check import OPTIONS, data_of, runs
from heatproof.commands.compared import opened
from heatproof.config.load import resolve
from heatproof.config.study import merge
from heatproof.core.messages import InputError, list_error, unknown, using_options
from heatproof.stats import gate
from heatproof.stats.gate import CRITERIA, Gate
from heatproof.stats.results import StudyResults
from heatproof.stats.verdicts import rules
from heatproof.store import artifacts
from heatproof.store.tables import DEALT, SCORES
from heatproof.text import numbers, words
from heatproof.text.sentences import sentence
from heatproof.text.verdicts import GATE, GATED

CODES = {rules.NON_INFERIOR: 0, rules.WORSE: 1, rules.UNDECIDED: 2}
BAD_INPUT = 3  # 1 and 2 are verdicts
SIDES = ("baseline", "candidate")
STUDY, HEADER = "gate", "# Written by heatproof gate, which replaces it.\n"
EVERY = 1_000_000  # images
MARGIN = 0.05  # of criteria that the baseline's study has none for


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `run`."""
    add = parser.add_argument
    many = {"nargs": "+", "default": []}
    add("baseline", metavar="BASELINE", help="project or results folder; with --images: a checkpoint")
    add("candidate", metavar="CANDIDATE", help="another one")
    add("--images", metavar="PATH", help="judge two checkpoints on these images: a folder, an archive or a table")
    add("--study", metavar="NAME", **many, help="study to compare, or the baseline's and the candidate's")
    add("--model", metavar="NAME", **many, help="model to compare, or both; with --images: SPEC of the checkpoints")
    add("--method", metavar="NAME", **many, help="explanation methods (default: one; with --images: gradcam)")
    add("--criteria", metavar="NAME", **many, help="criteria that count (default: all that the baseline measures)")
    add("--margin", metavar="[NAME=]X", **many, help="margin of every criterion, or of one (default: the baseline's)")
    add("--junit", type=Path, metavar="FILE", help="also write the verdicts as JUnit XML")
    add("--markdown", type=Path, metavar="FILE", help="also write them as Markdown")
    judging.add_shared(parser)


def run(args: argparse.Namespace) -> int:
    """Compare, print the verdicts, write the files, and return the exit code.

    Raises:
        InputError: an option or a result cannot be used.
    """
    try:
        return _run(args)
    except InputError as error:
        error.code = BAD_INPUT
        raise


def _run(args: argparse.Namespace) -> int:
    margins = stated_margins(args.margin)
    for option in ("junit", "markdown"):
        if (path := getattr(args, option)) and not path.absolute().parent.is_dir():
            raise InputError(f"--{option} {path}: its folder does not exist; create it first")
    junit_to, markdown_to = (path and path.absolute() for path in (args.junit, args.markdown))
    if args.images:
        root = judge(args)
        sides = [read(str(root), name, STUDY, name) for name in SIDES]
    else:
        sides = [
            read(getattr(args, name), name.upper(), _of_side(args.study, place), _of_side(args.model, place))
            for place, name in enumerate(SIDES)
        ]
    found = compare(*sides, args.method, args.criteria, margins)
    lines = [sentence(one) for one in found.statements]
    print("\n".join(lines))
    if junit_to:
        junit_to.write_text(junit(found, lines), encoding="utf-8")
    if markdown_to:
        markdown_to.write_text(markdown(found, lines, (args.baseline, args.candidate)), encoding="utf-8")
    return CODES[found.verdict]


def _of_side(names: Sequence[str], place: int) -> str | None:
    """Return the name of a side: the only one, or that at its place."""
    return names[min(place, len(names) - 1)] if names else None


def stated_margins(stated: Sequence[str]) -> dict[str, float]:
    """Return criterion -> margin; "" stands for all that are not named.

    >>> stated_margins(["0.1", "sanity=0.2"])
    {'': 0.1, 'sanity': 0.2}
    """
    found = {}
    for text in stated:
        name, _, value = text.rpartition("=")
        if name and name not in CRITERIA:
            raise InputError(f"--margin {text}: {unknown('criterion', name, CRITERIA)}")
        try:
            found[name] = float(value)
        except ValueError:
            found[name] = 0.0
        if not 0 < found[name] < 1:
            raise InputError(f"--margin {text}: must be a number between 0 and 1, or CRITERION=NUMBER")
    return found


@dataclass(frozen=True)
class Side:
    """One model's results: its scores have a column `family`; `sha256`: image -> digest of its file, where known."""

    label: str
    model: str
    results: StudyResults
    scores: pd.DataFrame
    sha256: pd.Series


def read(folder: str, label: str, study: str | None, model: str | None) -> Side:
    """Read one model's results from a project or results folder.

    Args:
        label: what messages call it.
        study, model: None for the only one.

    Raises:
        InputError: the folder, a study or a model is missing or ambiguous, or a file is damaged.
    """
    where = f"{label} {folder}"
    if Path(folder).is_file():
        raise InputError(f"{where}: a file; to compare two checkpoints, add --images PATH")
    root = opened(folder)
    study = _only(study, [path.parent.name for path in sorted(root.glob("stats/*/summary.json"))], "study", where)
    summary = root / "stats" / study / "summary.json"
    results = StudyResults.of(artifacts.read_json(summary), str(summary))
    model = _only(model, [*results.models, *results.ensembles], "model", where)
    tables = []
    for path in sorted((root / "scores" / study / model).glob("*/fold*/*.parquet")):
        if path.stem in gate.READ:
            table = artifacts.read_table(path, SCORES).assign(family=path.stem)
            if table.duplicated([key for key in ("image_id", "label", "method", "metric") if key in table]).any():
                raise InputError(f"{path}: an image is scored twice; delete the file and run again")
            tables.append(table)
    if not tables:
        raise InputError(f"{where}: no scores in {root / 'scores' / study / model}; run the study, or dvc pull")
    manifest = root / "data" / study / "manifest.parquet"
    sha256 = (
        artifacts.read_table(manifest, DEALT).set_index("image_id")["sha256"]
        if manifest.exists()
        else pd.Series(dtype=str)
    )
    return Side(where, model, results, pd.concat(tables, ignore_index=True), sha256)


def _only(name: str | None, there: Sequence[str], what: str, where: str) -> str:
    if name is None and len(there) == 1:
        return there[0]
    if name in there:
        return str(name)
    if not there:
        raise InputError(f"{where}: no {what} with statistics; run it to its end, or dvc pull")
    if name is not None:
        raise InputError(f"--{what} {name}: {where}: {unknown(what, name, there)}")
    raise list_error(f"{where}: more than one {what}", there, f"choose one with --{what}")


def compare(
    baseline: Side, candidate: Side, methods: Sequence[str], criteria: Sequence[str], margins: Mapping[str, float]
) -> Gate:
    """Make all tests of a gate.

    Args:
        methods: of both; none for the one that the baseline's conclusion is about.
        criteria: that have to be measured; none for all that are.
        margins: criterion -> margin, as `stated_margins` gives them.

    Raises:
        InputError: no method, image or criterion in common, or the images differ.
    """
    results = baseline.results
    both = [name for name in (results.lead, *results.methods) if name in candidate.results.methods]
    if missing := [name for name in methods if name not in both]:
        raise InputError(
            f"--method {missing[0]}: not in both results; in both: {', '.join(dict.fromkeys(both)) or 'none'}"
        )
    if not both:
        raise InputError(
            f"{candidate.label}: no method of {baseline.label} ({', '.join(results.methods)}); explain both by one"
        )
    if wrong := [name for name in criteria if name not in CRITERIA]:
        raise InputError(f"--criteria {wrong[0]}: {unknown('criterion', wrong[0], CRITERIA)}")
    images = set(baseline.scores["image_id"]) & set(candidate.scores["image_id"])
    if not images:
        raise InputError(f"{candidate.label}: no image in common with {baseline.label}; judge both on the same images")
    known = images & set(baseline.sha256.index) & set(candidate.sha256.index)
    if changed := [one for one in sorted(known) if baseline.sha256[one] != candidate.sha256[one]]:
        raise list_error(
            f"{candidate.label}: another file than in the baseline", changed, "judge both on the same images"
        )
    primary = {name: family.metric for name, family in results.families.items()}
    limits = {
        name: margins.get(name, margins.get("", results.families[name].margin if name in primary else MARGIN))
        for name in CRITERIA
    }
    chosen = methods or both[:1]
    measured = [
        gate.measure(baseline.scores, candidate.scores, name, method, primary, limits)
        for method in chosen
        for name in criteria or CRITERIA
    ]
    lacking = [one for one in measured if one.reason]
    if lacking and (criteria or len(lacking) == len(measured)):
        named = f"--criteria {lacking[0].criterion}" if criteria else f"{lacking[0].criterion}, as every criterion"
        raise InputError(f"{named}: cannot be measured ({words.cause(lacking[0].reason)}); score it in both studies")
    same = all(gate.identical(baseline.scores, candidate.scores, method) for method in chosen)
    return gate.decide(measured, results.alpha, results.power, results.groups.kind, same)


def judge(args: argparse.Namespace) -> Path:
    """Judge both checkpoints in one study, so that images and settings are the same, and return its results folder.

    Raises:
        InputError: an option is out of bounds, a checkpoint or the images cannot be used, or a job failed.
    """
    if args.study or len(args.model) > 1:
        raise InputError(f"--{'study' if args.study else 'model'}: with --images, give one --model and no --study")
    with using_options(OPTIONS):
        content = study_of(args)
        Path(args.out).mkdir(parents=True, exist_ok=True)
        os.chdir(args.out)
        content, failed = judging.sized(content, resolve(content))
        if failed:
            raise InputError("\n".join(f"{model}: {reason}" for model, reason in failed.items()))
        for code in runs(resolve(content)):
            print(code)
    path = Path("studies", f"{STUDY}.yaml")
    if path.exists() and not path.read_text(encoding="utf-8").startswith(HEADER):
        raise InputError(f"{path.resolve()}: exists, and is not of heatproof gate; rename it, or set --out")
    with artifacts.replacing(path) as temporary:
        text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=110)
        temporary.write_text(f"{HEADER}{text}", encoding="utf-8")
    if running.run(argparse.Namespace(studies=[STUDY], cores=args.cores, snakemake=[])):
        raise InputError(f"studies/{STUDY}.yaml: a job failed, see above; fix it and run again")
    return artifacts.RESULTS


def study_of(args: argparse.Namespace) -> dict[str, Any]:
    """Return the content of the study of both checkpoints; every image is scored."""
    data, outputs = data_of(args, "--images: ")
    if data.pop("task", None):
        raise InputError(f"--images: {args.images}: images have several labels; run two studies and compare these")
    models = {}
    for name in SIDES:
        one = getattr(args, name)
        of = {"model": args.model or [one], "weights": [one] if args.model else []}
        (models[name],) = judging.models_of(argparse.Namespace(**vars(args) | of), outputs).values()
    known = data.get("columns", {}) if data["kind"] == "table" else data
    truth = ["localization"] if any(known.get(key) for key in ("masks", "mask", "box")) else []
    variants = {"images": EVERY, "transforms": [], "random_target": False}
    content = {
        "models": models,
        "seeds": [0],
        "data": data | {"split": {"test": "all", "unseen": False}},
        "explain": {"methods": args.method or ["gradcam"], "variants": variants},
        "score": {"families": [*truth, "faithfulness", "sanity"], "faithfulness": {"images": EVERY, "controls": False}},
        "report": {"title": f"{args.baseline} and {args.candidate} on {Path(args.images).name}"},
    }
    return merge(judging.LEAST, content)


def junit(found: Gate, lines: Sequence[str]) -> str:
    """Return the verdicts as JUnit XML: a criterion that is worse has failed, an undecided one is an error."""
    kinds = {"worse": "failure", "undecided": "error", "unmeasured": "skipped"}
    counts = {f"{kind}s" if kind != "skipped" else kind: len(found.of(verdict)) for verdict, kind in kinds.items()}
    suite = ElementTree.Element("testsuite", name="heatproof gate", tests=str(len(found.criteria)))
    suite.attrib |= {name: str(count) for name, count in counts.items()}
    for one, line in zip(found.criteria, lines[1:], strict=True):
        case = ElementTree.SubElement(suite, "testcase", classname=f"heatproof.{one.method}", name=one.name)
        if one.verdict in kinds:
            ElementTree.SubElement(case, kinds[one.verdict], message=line)
        else:
            ElementTree.SubElement(case, "system-out").text = line
    ElementTree.indent(suite)
    return f"<?xml version='1.0' encoding='utf-8'?>\n{ElementTree.tostring(suite, encoding='unicode')}\n"


def markdown(found: Gate, lines: Sequence[str], names: Sequence[str]) -> str:
    """Return the verdicts as Markdown: a table, and sentences on what is not non-inferior.

    Args:
        names: what was compared.
    """
    level = f"difference [{numbers.share(1 - 2 * found.alpha)}]"
    head = ["criterion", "baseline", "candidate", level, "margin", "p worse", "p non-inferior", "patients", "verdict"]
    rows = [head, ["---"] * len(head)]
    for one in found.criteria:
        ends = (one.baseline, one.candidate)
        rows.append(
            [
                f"{GATED[one.name]}, {words.called(one.method)}",
                *(numbers.number(end, beside=filter(numbers.finite, ends)) for end in ends),
                numbers.interval(one.difference, one.low, one.high),
                f"{one.margin:g}",
                numbers.p_value(one.p_worse),
                numbers.p_value(one.p_non_inferior),
                f"{one.patients:,}",
                GATE[one.verdict],
            ]
        )
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    compared = " and ".join(f"`{name.replace('`', '')}`" for name in names)
    stated = zip(found.criteria, lines[1:], strict=True)
    more = "\n".join(f"- {line}" for one, line in stated if one.verdict != rules.NON_INFERIOR)
    head = f"# Heatmaps: {GATE[found.verdict]}\n\n{lines[0]} Compared: {compared}."
    return "\n\n".join(part for part in (head, table, more) if part) + "\n"
