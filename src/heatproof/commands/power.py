"""`heatproof power`: how many patients, seeds and images a study needs, from the variances of a pilot study or from
given ones."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from heatproof.core.messages import InputError, unknown

if TYPE_CHECKING:
    import pandas as pd

    from heatproof.core.statements import Statement
    from heatproof.stats.results import StudyResults
    from heatproof.stats.tests.power import Pilot, Question, Size

VARIANCES = {"patient": "model x patient", "seed": "seed", "residual": "patient x seed", "image": "image"}
SEEDS = (5, 10)  # that are tried besides the pilot's
COUNTS = ("patients", "low", "high")  # columns, where the numbers of patients are what is planned
MANY_SEEDS, POINTS = 100, 24  # most seeds that are tried, and points of a curve


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `run`."""
    parser.usage = (
        "heatproof power [STUDY] [--pair A B | --control [MODEL] | --equivalent | --all-models | --claim NAME]"
    )
    parser.add_argument(
        "study", nargs="?", metavar="STUDY", help="pilot: a finished study, or a folder written by heatproof analyze"
    )
    parser.add_argument("--family", metavar="NAME", help="metric family of the pilot (default: its first)")
    parser.add_argument("--method", metavar="NAME", help="explanation method of the pilot (default: its first)")
    goal = parser.add_mutually_exclusive_group()
    goal.add_argument("--pair", nargs=2, metavar=("A", "B"), help="two models differ (default: any two models)")
    goal.add_argument(
        "--control", nargs="?", const="", metavar="MODEL", help="heatmaps (of a model) are better than every control"
    )
    goal.add_argument("--equivalent", action="store_true", help="equal models differ by less than the difference")
    goal.add_argument("--all-models", action="store_true", help="the test over all models finds two that differ")
    goal.add_argument("--claim", metavar="NAME", help="a claim of the study is decided")
    parser.add_argument("--difference", type=float, metavar="D", help="difference to detect (default: the margin)")
    parser.add_argument(
        "--variance",
        nargs="+",
        default=[],
        metavar="NAME=VALUE",
        help=f"variances of scores in place of the pilot's: {', '.join(f'{k} ({v})' for k, v in VARIANCES.items())}",
    )
    parser.add_argument("--models", type=int, metavar="N", help="models to compare (default: the pilot's, or 2)")
    parser.add_argument("--patients", type=int, nargs="+", metavar="N", help="print the power of these numbers instead")
    parser.add_argument("--seeds", type=int, nargs="+", metavar="N", help="training seeds of each model to compare")
    parser.add_argument("--images", type=int, nargs="+", metavar="N", help="images of each patient to compare")
    parser.add_argument("--power", type=float, help="how often the difference is to be detected (default: 0.8)")
    parser.add_argument("--alpha", type=float, help="significance level of a family of tests (default: 0.05)")
    parser.add_argument("--test", choices=["friedman", "rm_anova"], help="test of fewer than five seeds")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="write table.csv, curves.svg and sentence.md here")


@dataclass(frozen=True)
class Plan:
    """A question, the variances it depends on, and what there is to say of both.

    Attributes:
        sized: whether `pilot` is a study, whose size states how uncertain its variances are.
        known: names of variances that are known; without the others, seeds or images stay those of the pilot.
        subjects: of statements.
    """

    question: "Question"
    pilot: "Pilot"
    sized: bool
    known: frozenset[str]
    power: float
    subjects: dict


def run(args: argparse.Namespace) -> None:
    """Print how many patients a study needs, or what power it has; write table, curves and a sentence.

    Raises:
        InputError: an option is out of bounds, or the pilot does not hold what the question needs.
    """
    from heatproof.text.sentences import sentence

    settings = _settings(args)
    plan = _of_pilot(args, settings) if args.study else _of_options(args, settings)
    sizes = _sizes(args, plan)
    rows = [
        {"seeds": size.seeds} | ({"images": size.images} if "image" in plan.known else {}) | row
        for size in sizes
        for row in (_chances(plan, size, args.patients) if args.patients else [_needed(plan, size)])
    ]
    goal = sentence(_stated("power.goal", plan))
    stated = []
    if not args.patients:
        stated.append(sentence(_stated("power.needed", plan, sizes[0], rows[0])))
        if few := _fewest(plan, sizes, rows):
            stated.append(sentence(_stated("power.few_seeds", plan, None, {"fewest": few})))
    print("\n".join([goal, "", *_lines(rows), "", *stated]).rstrip())
    if args.out:
        _write(args.out, rows, "\n\n".join(stated or [goal]), _curves(plan, sizes, rows, goal))


def _lines(rows: Sequence[dict]) -> list[str]:
    """Write a table in columns."""
    from heatproof.text import numbers

    chances = "power" in rows[0]
    write = {"images": lambda value: f"{value:.3g}"}
    write |= dict.fromkeys(("power", "low", "high"), numbers.share) if chances else {}

    def cell(name: str, value: float | None) -> str:
        return numbers.NONE if value is None else write.get(name, "{:,}".format)(value)

    cells = [list(rows[0]), *([cell(name, value) for name, value in row.items()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return ["  ".join(text.rjust(width) for text, width in zip(line, widths, strict=True)) for line in cells]


def _settings(args: argparse.Namespace) -> dict:
    """Options of `heatproof analyze` that are given here, and its defaults."""
    from heatproof.commands import analyze

    parser = argparse.ArgumentParser()
    analyze.add_arguments(parser)
    for name, low, high in (("alpha", 0, 0.5), ("power", 0.5, 1)):
        value = getattr(args, name)
        if value is not None and not low < value < high:
            raise InputError(f"--{name} {value:g}: must lie between {low:g} and {high:g}")
    if args.difference is not None and not args.difference > 0:
        raise InputError(f"--difference {args.difference:g}: must be above 0, in units of the metric")
    for name, least in (("models", 1), ("patients", 2), ("seeds", 1), ("images", 1)):
        values = getattr(args, name)
        for value in values if isinstance(values, list) else [values or least]:
            if value < least:
                raise InputError(f"--{name} {value}: must be at least {least}")
    return {name: parser.get_default(name) for name in ("alpha", "power", "test", "margin", "interval")}


def _given(args: argparse.Namespace, settings: dict) -> dict:
    """Settings, with what the options say in their place."""
    options = {name: getattr(args, name) for name in ("alpha", "power", "test")}
    return settings | {name: value for name, value in options.items() if value is not None}


def _variances(args: argparse.Namespace) -> dict[str, float]:
    found = {}
    for text in args.variance:
        name, _, value = text.partition("=")
        if name not in VARIANCES:
            raise InputError(f"--variance {text}: {unknown('variance', name, VARIANCES)}")
        try:
            found[name] = float(value)
        except ValueError:
            found[name] = -1.0
        if not 0 <= found[name] < float("inf"):
            raise InputError(f"--variance {text}: give a number from 0 on, such as {name}=0.01")
    return found


def _kind(args: argparse.Namespace) -> str:
    from heatproof.stats.tests import power

    goals = {power.CONTROL: args.control is not None, power.MARGIN: args.equivalent, power.MODELS: args.all_models}
    return next((kind for kind, wanted in (goals | {power.CLAIM: bool(args.claim)}).items() if wanted), power.PAIR)


def _question(args: argparse.Namespace, settings: dict, kind: str, models: int, margin: float, level: float = 0.0):
    from heatproof.stats.tests import power

    models = args.models or models
    if models < 2 and kind not in (power.CONTROL, power.CLAIM):
        raise InputError(f"--models {models}: two models or more are needed; with --control, one is enough")
    weights = (1.0,) if kind in (power.CONTROL, power.CLAIM) else (1.0, -1.0)
    level = level or power.first_level(kind, settings["alpha"], models, settings.get("controls", True))
    difference = margin if args.difference is None else args.difference
    return power.Question(kind, difference, level, weights, settings["test"] == "friedman", models)


def _of_options(args: argparse.Namespace, settings: dict) -> Plan:
    from heatproof.stats.tests.power import CLAIM, Pilot, Size, Spread

    kind, found, settings = _kind(args), _variances(args), _given(args, settings)
    if kind == CLAIM or args.pair or args.control or args.family or args.method:
        raise InputError("STUDY: name the pilot whose pair, control, claim, family or method this is")
    if "patient" not in found:
        raise InputError("STUDY: name a pilot study, or give the variances: --variance patient=0.01 (see --help)")
    question = _question(args, settings, kind, 2, settings["margin"])
    pilot = Pilot(Spread(**found), Size(2), question.models, 1)
    return Plan(question, pilot, False, frozenset(found), settings["power"], {"unit": "patient"})


def _of_pilot(args: argparse.Namespace, settings: dict) -> Plan:
    """Variances of a study by name, or of the folder that `heatproof analyze` wrote."""
    from heatproof.stats.results import StudyResults
    from heatproof.stats.tests.power import CLAIM, CONTROL, claim_level
    from heatproof.store import artifacts

    if args.variance:
        raise InputError("--variance: STUDY has its own variances; give one of the two")
    folder = Path(args.study) if Path(args.study, "summary.json").exists() else artifacts.stats_dir(args.study)
    if not (folder / "summary.json").exists():
        there = [path.parent.name for path in artifacts.RESULTS.glob("stats/*/summary.json")]
        raise unknown("finished study", args.study, there)
    results = StudyResults.of(artifacts.read_json(folder / "summary.json"), str(folder / "summary.json"))
    kind, claim = _kind(args), None
    if args.claim:
        claims = {
            one.name: one for one in results.claims if one.family and one.effect is not None and one.low is not None
        }
        if args.claim not in claims:
            raise InputError(f"--claim: {unknown('claim that was tested', args.claim, claims)}")
        claim = claims[args.claim]
    family = claim.family if claim else args.family or next(iter(results.families))
    if family not in results.families:
        raise InputError(f"--family: {unknown('family', family, results.families)}")
    method = claim.method if claim else args.method or results.lead
    outcome = results.outcome(family, method)
    if outcome is None:
        raise InputError(f"--method: {unknown('method with scores', method, results.families[family].outcomes)}")
    of = results.families[family]
    read = _Read(folder, results, family, of.metric, method)
    stored = {name: getattr(results, name) for name in ("alpha", "power", "test")}
    settings = _given(args, settings | stored) | {"controls": bool(outcome.controls)}
    subjects = {"metric": of.metric, "method": method, "unit": results.groups.kind, "study": args.study}
    level, models = 0.0, outcome.omnibus.levels
    if claim:
        if outcome.over_seeds:
            raise InputError(
                f"--claim {args.claim}: tested over {results.seeds.count} seeds; use --pair, which plans seeds too"
            )
        check, comparisons = _check_of(args.study, claim.name, outcome, read)
        level = claim_level(check, outcome.shares, settings["alpha"], comparisons)
        subjects |= {"claim": claim.claim}
    question = _question(args, settings, kind, models, of.margin, level)
    if kind == CLAIM:
        pilot = read.single((claim.low, claim.high), claim.groups, 1.0)
    elif kind == CONTROL:
        pilot, named = read.control(args.control)
        subjects |= named
    elif args.pair:
        pilot = read.pair(*args.pair)
        subjects |= {"models": args.pair}
    else:
        pilot = read.pooled()
    return Plan(question, pilot, True, frozenset(read.known(kind)), settings["power"], subjects)


def _check_of(study: str, name: str, outcome, read: "_Read") -> tuple[str, int]:
    """The check of a claim, and how many tests its p value is corrected over."""
    from heatproof.config.load import load

    claim = load(studies=[study])[study].stats.claims.get(name)
    if claim is None or claim.check == "shows_cue":
        raise InputError(f"--claim {name}: a claim on a cue, or no longer in studies/{study}.yaml; choose another one")
    if claim.check == "outdo":
        pairs = read.table("pairs")
        pairs = pairs[pairs["factor"] == "method"]
        among = {*claim.methods, claim.method}
        return claim.check, int((pairs["a"].isin(among) & pairs["b"].isin(among)).sum())
    return claim.check, {"beat_controls": len(outcome.verdicts), "differ": outcome.pairs.tested}.get(claim.check, 1)


@dataclass(frozen=True)
class _Read:
    """The tables of a pilot, and one family and method of it."""

    folder: Path
    results: "StudyResults"
    family: str
    metric: str
    method: str

    def table(self, name: str) -> "pd.DataFrame":
        """Return the rows of a table on this family and metric."""
        from heatproof.store import artifacts, tables

        table = artifacts.read_table(self.folder / f"{name}.csv", tables.TABLES[name])
        return table[(table["family"] == self.family) & (table["metric"] == self.metric)]

    @property
    def seeds(self) -> int:
        return self.results.seeds.count

    def components(self) -> dict[str, float]:
        """Return component -> variance, nothing where the mixed model has none."""
        table = self.table("variance")
        table = table[(table["method"] == self.method) & table["variance"].notna()]
        return dict(zip(table["component"], table["variance"], strict=True))

    def images(self) -> tuple[float, float] | None:
        """Return the variance between images of a patient and their number (harmonic mean), from the stored scores;
        None where these are not here, or all patients have one image."""
        import pandas as pd

        from heatproof.store import artifacts

        results, parts = self.results, []
        if not results.setting:
            return None
        for model in results.judged:
            for seed in results.setting.seeds:
                for fold in range(results.folds):
                    path = artifacts.Checkpoint(results.study, model, seed, f"fold{fold}").scores(self.family)
                    if not path.exists():
                        return None
                    parts.append(artifacts.read_table(path, artifacts.SCORES))
        scores = pd.concat(parts)
        scores = scores[(scores["metric"] == self.metric) & (scores["method"] == self.method)].dropna(subset="value")
        cells = scores.groupby(["model", "seed", "group"])["value"].agg(["var", "count"])
        free = cells["count"] - 1
        if not free.sum():
            return None
        return float((cells["var"] * free).sum() / free.sum()), float(1 / (1 / cells["count"]).mean())

    def known(self, kind: str) -> set[str]:
        """Return the variances that planned seeds or images can be based on."""
        from heatproof.stats.tests.power import CLAIM

        if kind == CLAIM:
            return set()
        found = {"seed", "residual"} if "seed" in self.components() else set()
        return found | ({"image"} if self.images() else set())

    def _pilot(self, per_patient: float | None, free: float | None, groups: int, models: int) -> "Pilot":
        """The pilot whose variance of a model's part of a difference is `per_patient`, that of all pairs if None."""
        from heatproof.stats.tests.power import Pilot, Size, Spread

        found, (image, count) = self.components(), self.images() or (0.0, 1.0)
        seeded = "seed" in found
        cell = found["residual"] if seeded else 0.0
        if per_patient is None:
            per_patient = found.get("group x model", 0.0) + found["residual"] / (self.seeds if seeded else 1)
        cell = min(cell, per_patient * self.seeds)  # of a comparison that varies less than models do on average
        image = min(image, cell * count)  # the cells hold that of their images
        spread = Spread(per_patient - cell / self.seeds, found.get("seed", 0.0), cell - image / count, image)
        return Pilot(spread, Size(groups, self.seeds, count), models, free or (groups - 1) * (models - 1))

    def pooled(self) -> "Pilot":
        """Return the variances of all models."""
        table = self.table("variance")
        if not self.components():
            why = table.loc[table["method"] == self.method, "reason"].iloc[0]
            raise InputError(f"STUDY {self.folder}: no variances, {why}; with --pair A B those of a pair are used")
        rows = self.table("omnibus")
        row = rows[(rows["test"] == "mixed") & (rows["within"] == self.method)].iloc[0]
        return self._pilot(None, None, int(row["groups"]), int(row["levels"]))

    def single(self, ends: tuple[float, float], groups: int, squares: float) -> "Pilot":
        """Return the variances of one comparison, from the interval of its mean difference."""
        from heatproof.stats.tests.power import spread_of

        variance = spread_of(ends, groups, self.results.interval) ** 2 / squares
        return self._pilot(variance, groups - 1, groups, len(self.results.judged))

    def pair(self, a: str, b: str) -> "Pilot":
        """Return the variances of a pair of models."""
        pairs = self.table("pairs")
        pairs = pairs[(pairs["factor"] == "model") & (pairs["within"] == self.method)]
        rows = pairs[pairs["a"].isin([a, b]) & pairs["b"].isin([a, b])]
        if rows.empty:
            known = sorted({*pairs["a"], *pairs["b"]})
            raise InputError(f"--pair {a} {b}: no such pair; the models are {', '.join(known)}")
        row = rows.iloc[0]
        return self.single((row["low"], row["high"]), int(row["groups"]), 2.0)

    def control(self, model: str) -> tuple["Pilot", dict[str, str]]:
        """Return the variances of a model against the control whose interval is widest, and the names of both."""
        from heatproof.stats.tests.architectures import MIN_SEEDS

        rows = self.table("controls")
        rows = rows[rows["method"] == self.method].dropna(subset="low")
        if self.seeds >= MIN_SEEDS:
            raise InputError(f"--control: tested over {self.seeds} seeds; give the variances of the difference instead")
        if rows.empty or (model and model not in set(rows["model"])):
            raise InputError(f"--control: {unknown('model with controls', model, rows['model'].unique())}")
        rows = rows[rows["model"] == model] if model else rows
        row = rows.loc[(rows["high"] - rows["low"]).idxmax()]
        named = {"models": row["model"], "control": row["control"], "family": self.family}
        return self.single((row["low"], row["high"]), int(row["groups"]), 1.0), named


def _sizes(args: argparse.Namespace, plan: Plan) -> list["Size"]:
    """Seeds and images to compare, those of the pilot first."""
    from heatproof.stats.tests.architectures import MIN_SEEDS

    own, seeded = plan.pilot.size, {"seed", "residual"} <= plan.known
    more = [count for count in SEEDS if count > own.seeds] if seeded and plan.sized else []
    seeds, images = args.seeds or [own.seeds, *more], args.images or [own.images]
    instead = (
        f"; give all variances {'instead of STUDY' if plan.sized else ''}".rstrip() + " with --variance (see --help)"
    )
    for count in seeds:
        if not seeded and (count != own.seeds if plan.sized else count >= MIN_SEEDS):
            raise InputError(f"--seeds {count}: it is not known how scores vary between training seeds{instead}")
        if not seeded and count >= MIN_SEEDS:
            raise InputError(f"{args.study}: it is not known how scores vary between training seeds{instead}")
    for count in images:
        if count != own.images and "image" not in plan.known:
            raise InputError(f"--images {count}: it is not known how scores vary between images{instead}")
    return [replace(own, seeds=s, images=i) for s in dict.fromkeys(seeds) for i in dict.fromkeys(images)]


def _needed(plan: Plan, size: "Size") -> dict:
    """Return the number of patients, with its band where there is a pilot."""
    from heatproof.stats.tests.power import chance, patients_for

    if plan.sized:
        found = plan.pilot.needed(plan.question, size, plan.power)
        return dict(zip(("patients", "low", "high"), found, strict=True))
    spread = plan.pilot.spread
    return {"patients": patients_for(lambda n: chance(plan.question, spread, replace(size, patients=n)), plan.power)}


def _chances(plan: Plan, size: "Size", patients: Sequence[int]) -> list[dict]:
    """Return the power of each number of patients, with its band where there is a pilot."""
    from heatproof.stats.tests.power import chance

    found = []
    for count in patients:
        each = replace(size, patients=count)
        if plan.sized:
            names, chances = ("power", "low", "high"), plan.pilot.chances(plan.question, each)
            found.append({"patients": count} | dict(zip(names, chances, strict=True)))
        else:
            found.append({"patients": count, "power": chance(plan.question, plan.pilot.spread, each)})
    return found


def _fewest(plan: Plan, sizes: Sequence["Size"], rows: Sequence[dict]) -> int | None:
    """Return the fewest seeds with which some number of patients is enough, where those of a row are too few."""
    from heatproof.stats.tests.architectures import MIN_SEEDS
    from heatproof.stats.tests.power import MOST, chance

    if all(row["patients"] is not None or size.seeds < MIN_SEEDS for size, row in zip(sizes, rows, strict=True)):
        return None
    for count in range(MIN_SEEDS, MANY_SEEDS + 1):
        if chance(plan.question, plan.pilot.spread, replace(sizes[0], patients=MOST, seeds=count)) >= plan.power:
            return count
    return None


def _stated(kind: str, plan: Plan, size: "Size | None" = None, row: dict | None = None) -> "Statement":
    from heatproof.stats.statements.general import state
    from heatproof.stats.tests.architectures import MIN_SEEDS

    asked, own = plan.question, plan.pilot.size
    numbers = {"difference": asked.difference, "power": plan.power, "level": asked.level, "compared": asked.models}
    numbers |= row or {}
    if size:
        numbers |= {"seeds": size.seeds, "images": size.images if "image" in plan.known else None}
    if plan.sized:
        numbers |= {"pilot_patients": own.patients, "pilot_seeds": own.seeds, "pilot_models": plan.pilot.models}
    seeds = (size or own).seeds >= MIN_SEEDS
    test = "margin" if asked.kind == "margin" else "seeds" if seeds else "friedman" if asked.ranks else "rm_anova"
    return state(kind, numbers=numbers, question=asked.kind, test=test, **plan.subjects)


def _curves(plan: Plan, sizes: Sequence["Size"], rows: Sequence[dict], alt: str) -> str:
    """Draw power against the number of patients, a line a design, with the band of the pilot's uncertainty."""
    import numpy as np

    from heatproof.report.figures import canvas
    from heatproof.report.figures.curves import Band, power
    from heatproof.text.numbers import counted

    counts = [row["patients"] for row in rows if row["patients"]]
    grid = np.unique(np.geomspace(4, 2.5 * max(counts, default=400), POINTS).astype(int)).tolist()
    bands = []
    for size in sizes:
        named = [counted(size.seeds, "seed")] + ([f"{size.images:.3g} images"] if "image" in plan.known else [])
        chances = _chances(plan, size, grid)
        ends = ([row[end] for row in chances if end in row] for end in ("power", "low", "high"))
        bands.append(Band(", ".join(named), grid, *ends))
    return canvas.svg(power("power", bands, plan.power, alt))


def _write(folder: Path, rows: Sequence[dict], text: str, svg: str) -> None:
    import pandas as pd

    table = pd.DataFrame(rows).astype({name: "Int64" for name in COUNTS if name in rows[0] and "power" not in rows[0]})
    try:
        folder.mkdir(parents=True, exist_ok=True)
        table.to_csv(folder / "table.csv", index=False, float_format="%.4g", lineterminator="\n")
        (folder / "curves.svg").write_text(svg, encoding="utf-8")
        (folder / "sentence.md").write_text(f"{text}\n", encoding="utf-8")
    except OSError as error:
        raise InputError(f"--out {folder}: cannot be written ({error.strerror or error})") from None
    print(f"\nTable, curves and sentence: {folder}")
