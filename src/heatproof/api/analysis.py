"""What scores and images say: a classifier's heatmaps judged, tests of a table of scores, the findings of a study, the
audit of a folder."""

import time
from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from heatproof.catalogue.families import BEATABLE, CONTROLS
from heatproof.commands.audit import audit_path
from heatproof.core.draws import spread
from heatproof.core.messages import InputError, check_names, unknown
from heatproof.core.statements import Statement
from heatproof.data.audit import command
from heatproof.data.audit import results as audit_results
from heatproof.stats import external
from heatproof.stats.results import StudyResults
from heatproof.stats.results import read as read_results
from heatproof.stats.tables import score_table
from heatproof.store import artifacts, tables
from heatproof.text import audit as audit_text
from heatproof.text import sentences as text

if TYPE_CHECKING:
    from torch import Tensor, nn

    from heatproof.api.heatmaps import Heatmaps

IMAGES = ("image", "image_id")
COMPARED, TESTS = ("method", "model"), ("friedman", "rm_anova")
BOUNDS = {"alpha": (0, 0.5), "interval": (0.5, 1), "power": (0.5, 1), "margin": (0, float("inf"))}
STYLE = "body{font:16px/1.5 sans-serif;max-width:70em;margin:2em auto}td,th{padding:0 .6em;text-align:left}"


@dataclass(frozen=True)
class Findings:
    """What statistics found.

    Attributes:
        title: of the page.
        results: everything that was found, as `summary.json` of a study has it.
        tables: by name, with the columns of `heatproof.store.tables`.
    """

    title: str
    results: StudyResults = field(repr=False)
    tables: dict[str, pd.DataFrame] = field(repr=False)

    @property
    def statements(self) -> tuple[Statement, ...]:
        """What was found, as values: kind, subjects, numbers, reason and evidence."""
        return self.results.statements

    @property
    def sentences(self) -> dict[str, list[str]]:
        """Heading -> what is stated under it."""
        found: dict[str, list[str]] = {}
        if self.results.in_short:
            found["in short"] = [text.sentence(self.results.in_short)]
            found["findings"] = [text.paragraph(of) for of in text.paragraphs(self.results.answer)]
            return found
        for one in self.results.statements:
            heading = ", ".join(filter(None, [one.one("method"), one.one("family")])) or "general"
            found.setdefault(heading, []).append(text.sentence(one))
        return found

    @property
    def pairs(self) -> pd.DataFrame:
        """The pairs that were compared: difference, interval, effect, p values."""
        return self.tables["pairs"]

    @property
    def controls(self) -> pd.DataFrame:
        """Heatmaps compared with each control: difference, interval, effect, p values, verdict."""
        return self.tables["controls"]

    def summary(self) -> str:
        """Return the findings in sentences."""
        return "\n\n".join(
            "\n".join([heading, *(f"  {one}" for one in found)]) for heading, found in self.sentences.items()
        )

    def to_html(self, before: str = "") -> str:
        """Return the findings and both tables as a page of HTML, without outside requests.

        Args:
            before: HTML that stands below the title.
        """
        parts = [f"<h1>{escape(self.title)}</h1>{before}"]
        for heading, found in self.sentences.items():
            parts += [f"<h2>{escape(heading)}</h2>", "<ul>", *(f"<li>{escape(one)}</li>" for one in found), "</ul>"]
        for heading, table in {"Controls": self.controls, "Pairs": self.pairs}.items():
            if len(table):
                shown = table.dropna(axis=1, how="all")
                parts += [f"<h2>{heading}</h2>", shown.to_html(index=False, float_format="{:.3g}".format, border=0)]
        head = f'<meta charset="utf-8"><title>{escape(self.title)}</title><style>{STYLE}</style>'
        return f'<!doctype html><html lang="en"><head>{head}</head><body>{"".join(parts)}</body></html>'


def analyze(
    scores: pd.DataFrame,
    groups: str | Mapping[Any, Any] | Sequence[Any] | None = None,
    compare: Literal["method", "model"] = "method",
    *,
    controls: Sequence[str] | None = None,
    lower: Sequence[str] = (),
    higher: Sequence[str] = (),
    test: Literal["friedman", "rm_anova"] = "friedman",
    alpha: float = 0.05,
    interval: float = 0.95,
    power: float = 0.8,
    margin: float = 0.05,
    dataset: str | None = None,
    incomplete: bool = False,
    validation: pd.DataFrame | None = None,
    choose_by: str | None = None,
) -> Findings:
    """Test whether heatmaps beat the controls, and whether methods or models differ.

    Args:
        scores: as `scores` returns them; or any table with the columns image, metric and value, and method, model or
            both, such as several of them with a column `model`. Reason and seed are read where they are there.
        groups: what is independent, patients for instance: a column; the group of each image, by its name or in the
            order of the table; or `image`, if every image is of another patient. By default the column `group`.
        compare: methods within each model, or models.
        controls: the methods that a heatmap has to beat; by default all controls of the table but the yardsticks.
        lower: metrics of which low values are good, if heatproof does not know it.
        higher: metrics of which high values are good.
        test: over all models.
        alpha: level of all tests of a metric and method; `interval`: confidence level.
        power: of the smallest difference that could be found.
        margin: below which a difference does not matter.
        dataset: the column that names the data set of each row, if there are several; patients are blocks within it.
        incomplete: whether patients may lack models by design (Skillings-Mack; unpaired tests where none has two).
        validation: scores of other patients, by which one option of each method is chosen: a layer, steps, a baseline,
            smoothing. Both tables name it in a column `option`, and with cross-validation its fold in a column `fold`.
            Heatmaps have to beat a control by each of its options; `tables["optimism"]` has what a choice on the tested
            patients would have added.
        choose_by: the metric that chooses, if there are several.

    Raises:
        InputError: the table lacks something, there is nothing to compare, or an option is out of range.

    >>> import numpy as np, pandas as pd
    >>> import heatproof as hp
    >>> value = np.linspace(0, 1, 12).repeat(3).reshape(12, 3) ** [[0.5, 1, 2]]
    >>> table = pd.DataFrame(value, columns=["gradcam", "saliency", "random"]).rename_axis("image").reset_index()
    >>> table = table.melt("image", var_name="method").assign(metric="iou")
    >>> found = hp.analyze(table, groups="image")
    >>> found.pairs[["a", "b", "groups"]].values.tolist()
    [['gradcam', 'saliency', 12]]
    >>> print(found.summary().splitlines()[0])
    general
    >>> layers = pd.concat([table.assign(option="layer3"), table.assign(option="layer4", value=table["value"] / 2)])
    >>> found = hp.analyze(layers, groups="image", validation=layers.assign(image=layers["image"] + 12))
    >>> found.tables["optimism"][["method", "optimism"]].values.tolist()
    [['gradcam', 0.0], ['random', 0.0], ['saliency', 0.0]]
    """
    settings = {"test": test, "alpha": alpha, "interval": interval, "power": power, "margin": margin}
    _check(compare, settings)
    if choose_by is not None and validation is None:
        raise InputError(f"choose_by: {choose_by!r}: chooses on validation scores; give them as validation")
    read = _read("scores", scores, groups, dataset, validation is not None)
    others = None if validation is None else _read("validation", validation, groups, dataset, True)
    there = {column: list(dict.fromkeys(read.scores[column])) for column in ("method", "metric", "model")}
    judged = _named("controls", controls, there["method"], [name for name in BEATABLE if name in there["method"]])
    directions = {key: _named(key, names, there["metric"], []) for key, names in (("lower", lower), ("higher", higher))}
    for metric in there["metric"]:
        if not score_table.find_metric(metric).better and not any(metric in names for names in directions.values()):
            raise InputError(f"{metric}: it is not known which values are good; name it in higher=[...] or lower=[...]")
    there["method"] = [name for name in there["method"] if name.split(":")[0] not in {*CONTROLS, *judged}]
    if len(there[compare]) < 2 and validation is None:
        only = f"only {there[compare][0]}" if there[compare] else "none but controls"
        raise InputError(f"compare={compare!r}: the table has {only}; two {compare}s or more are needed")
    found, results = external.evaluate(
        read,
        controls=judged,
        settings=settings | {"margin": {"default": margin}},
        independent=isinstance(groups, str) and groups in IMAGES,
        incomplete=incomplete,
        validation=others,
        choose_by=choose_by,
        **directions,
    )
    pairs = found["pairs"]
    found |= {"pairs": pairs[pairs["factor"] == compare].reset_index(drop=True) if len(pairs) else pairs}
    return Findings(f"Comparison of {compare}s", results, found)


def _read(
    name: str,
    scores: pd.DataFrame,
    groups: str | Mapping[Any, Any] | Sequence[Any] | None,
    dataset: str | None,
    options: bool,
) -> score_table.ScoreTable:
    """Return a table as statistics read it, without controls that were not made."""
    table, group = _table(name, scores, groups)
    if dataset is not None and dataset not in table:
        raise unknown("column of data sets", dataset, map(str, scores))
    read = score_table.read(Path(name), group, frame=table, data_set=dataset, options=options)
    known = read.scores["method"].isin(CONTROLS)
    made = read.scores["value"].notna().groupby(read.scores["method"]).transform("any")
    return read._replace(scores=read.scores[made | ~known].reset_index(drop=True))


def _check(compare: str, settings: Mapping[str, Any]) -> None:
    """Refuse options that are out of range."""
    for name, value, known in (("comparison", compare, COMPARED), ("test", settings["test"], TESTS)):
        if value not in known:
            raise unknown(name, value, known)
    for name, (low, high) in BOUNDS.items():
        if not isinstance(settings[name], (int, float)) or not low < settings[name] < high:
            raise InputError(f"{name}: {settings[name]!r}; give a number between {low} and {high}")


def _named(option: str, given: Sequence[str] | None, known: Sequence[str], default: list[str]) -> list[str]:
    """Return the names of the table that an option means."""
    if given is None or (not isinstance(given, str) and not len(given)):
        return default
    names = [name if name in known else score_table.find_metric(name).name for name in check_names(given, option)]
    for name in names:
        if name not in known:
            raise unknown(f"row of the table for {option}:", name, known)
    return names


def _table(
    name: str, scores: pd.DataFrame, groups: str | Mapping[Any, Any] | Sequence[Any] | None
) -> tuple[pd.DataFrame, str | None]:
    """Return a table with the columns that statistics read, and the one of them that has the groups, if any."""
    if not isinstance(scores, pd.DataFrame):
        raise InputError(f"{name}: {type(scores).__name__} is no table; give the DataFrame that hp.scores returns")
    table = scores.rename(columns={"image": "image_id"})
    if lost := {"image_id", "metric", "value"} - {*table}:
        raise InputError(f"{name}: no column {', '.join(sorted(lost))}; there are {', '.join(map(str, scores))}")
    if "model" not in table:
        table = table.assign(model="model")
    if isinstance(groups, str):
        if groups in IMAGES:
            return table.drop(columns="group", errors="ignore"), None
        if groups not in table:
            raise unknown("column of groups", groups, map(str, scores))
        return table, groups
    if groups is None:
        if "group" not in table:
            raise InputError("groups: give the patient of each image; or groups='image' if each is of another patient")
        return table, "group"
    images = list(dict.fromkeys(table["image_id"]))
    if not isinstance(groups, Mapping):
        if len(groups) != len(images):
            raise InputError(f"groups: {len(groups)} for {len(images)} images")
        groups = dict(zip(images, groups, strict=True))
    if lost := [image for image in images if image not in groups]:
        raise InputError(f"groups: image {lost[0]!r} has none")
    return table.assign(group=table["image_id"].map(groups)), "group"


@dataclass(frozen=True)
class Judgement:
    """What `judge` found.

    Attributes:
        scores: of heatmaps and controls, as `scores` returns them.
        findings: tests of the scores.
        maps: the heatmaps, of the images that were judged.
        images: places of these images among those that were given, int64.
        report: the page of HTML.
        notes: what was chosen and left out, in sentences.
    """

    scores: pd.DataFrame = field(repr=False)
    findings: Findings = field(repr=False)
    maps: "Heatmaps" = field(repr=False)
    images: np.ndarray = field(repr=False)
    report: Path
    notes: tuple[str, ...]


def judge(
    model: "nn.Module",
    images: "Tensor",
    targets: "Tensor | Sequence[int] | None" = None,
    *,
    masks: "Tensor | None" = None,
    groups: Sequence[Any] | None = None,
    methods: Sequence[str] = ("gradcam", "layercam", "saliency"),
    minutes: float = 10,
    report: str | Path = "heatproof.html",
) -> Judgement:
    """Judge the heatmaps of a classifier: explain images, score the maps and controls, test, and write a page.

    All images are explained if time allows, from the speed that is measured on the first two; else some, spread over
    the groups. `heatproof judge` does more: it audits the images, and has sanity checks, robustness and accuracy.

    Args:
        model: a `Classifier`, or a network of timm.
        images: float [images, channels, height, width] in [0, 1].
        targets: integers [images], the class that each map is for; by default the predicted one.
        masks: where the truth lies, [images, height, width]; without them nothing is localized.
        groups: the patient of each image; by default every image is of another patient.
        methods: two or more that the network supports.
        minutes: that it may take.
        report: where the page is written.

    Raises:
        InputError: something has the wrong form, or fewer than two methods support the network.

    >>> import tempfile, timm, torch
    >>> import heatproof as hp
    >>> model = hp.Classifier(timm.create_model("test_resnet", num_classes=2))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     found = hp.judge(model, torch.rand(2, 3, 64, 64), report=f"{folder}/page.html")
    ...     found.report.read_text().startswith("<!doctype html>"), sorted(found.maps)
    (True, ['gradcam', 'layercam', 'saliency'])
    """
    import torch

    from heatproof.api import inputs
    from heatproof.api.heatmaps import Classifier, heatmaps
    from heatproof.api.scores import DEFAULTS, scores

    if not isinstance(minutes, (int, float)) or not 0 < minutes < float("inf"):
        raise InputError(f"minutes: {minutes!r}; give a number above 0")
    page = Path(report)
    if not page.parent.is_dir():
        raise InputError(f"report: {page.parent}: no such folder; give the path of a file in one that is there")
    model = model if isinstance(model, inputs.Adapter) else Classifier(model)
    images = inputs.check_images(images)
    with torch.no_grad(), inputs.frozen(model):
        logits = torch.cat([model(part.to(inputs.device_of(model))) for part in images.split(32)])
    if broken := int((~logits.isfinite()).any(1).sum()):
        raise InputError(f"model: its logits of {broken} of {len(images)} images are not finite")
    targets = logits.argmax(1).cpu() if targets is None else inputs.check_targets(targets, len(images))
    patients = [*map(str, range(len(images)))] if groups is None else [*map(str, inputs.check_rows("groups", groups))]
    if len(patients) != len(images):
        raise InputError(f"groups: {len(patients)} for {len(images)} images")

    started = time.perf_counter()
    first = heatmaps(model, images[:2], targets[:2], methods)
    if len(first) < 2:
        raise InputError(f"methods: of {', '.join(methods)} the network supports {', '.join(first)}; two are needed")
    explaining = (time.perf_counter() - started) / min(2, len(images))
    started = time.perf_counter()
    with torch.no_grad(), inputs.frozen(model):
        model(images[:2].to(inputs.device_of(model)))
    passes = (len(first) + len(CONTROLS)) * (2 * DEFAULTS["steps"] + 1)
    each = explaining + passes * (time.perf_counter() - started) / min(2, len(images))
    count = min(len(images), max(2, int(60 * minutes / each)))
    chosen = spread("judge", [*map(str, range(len(images)))], patients, count)

    held, patients = images[chosen], [patients[place] for place in chosen]
    drawn = None if masks is None else inputs.check_masks(masks, (len(images), *images.shape[-2:]))[chosen]
    maps = heatmaps(model, held, targets[chosen], list(first))
    with inputs.frozen(model):
        table = scores(
            maps, masks=drawn, model=model, images=held, targets=targets[chosen], ids=chosen.tolist(), groups=patients
        )
    notes = [f"{count} of {len(images)} images of {len({*patients})} patients, about {each:.2g} s each."]
    notes += (
        [f"All images would take about {max(1, round(len(images) * each / 60))} min."] if count < len(images) else []
    )
    notes += ["Every image counts as another patient; state the patients with groups."] if groups is None else []
    notes += [f"{name} does not support this network: {why}" for name, why in first.unsupported.items()]
    found = replace(analyze(table), title="Judged heatmaps")
    page.write_text(found.to_html(_shown(held, maps, notes)), encoding="utf-8")
    return Judgement(table, found, maps, chosen, page.resolve(), tuple(notes))


def _shown(images: "Tensor", maps: "Heatmaps", notes: Sequence[str], most: int = 6) -> str:
    """Return notes and the first heatmaps over their images as HTML."""
    from heatproof.report.sections.gallery import enlarged, overlay, picture, uri

    rows = []
    for place, image in enumerate(images[:most]):
        plain = picture((image * 255).round().byte().cpu().numpy())
        heats = {name: found[place].numpy() for name, found in maps.items()}
        drawn = {"image": plain} | {
            name: overlay(plain, heat) for name, heat in heats.items() if np.isfinite(heat).all() and np.ptp(heat)
        }
        cells = (
            f'<td><img alt="{escape(name)}" src="{uri(enlarged(one))}"><br>{escape(name)}</td>'
            for name, one in drawn.items()
        )
        rows.append(f"<tr>{''.join(cells)}</tr>")
    said = "".join(f"<p>{escape(note)}</p>" for note in notes)
    return f"{said}<table>{''.join(rows)}</table>"


def load_study(name: str) -> Findings:
    """Read what a finished study found, from `results/stats` below the current folder.

    Raises:
        InputError: no such study has finished there.

    >>> import heatproof as hp
    >>> found = hp.load_study("quickstart")
    >>> list(found.sentences)
    ['in short', 'findings']
    >>> {"family", "a", "b", "difference", "p_corrected"} <= set(found.pairs)
    True
    """
    folder = artifacts.stats_dir(name)
    if not (folder / "summary.json").exists():
        there = [path.parent.name for path in artifacts.RESULTS.glob("stats/*/summary.json")]
        raise unknown(f"finished study in {artifacts.RESULTS.absolute()}", name, there)
    kept = {
        table: artifacts.parse_table(path, schema)
        for table, schema in tables.TABLES.items()
        if (path := folder / f"{table}.csv").exists()
    }
    return Findings(name, read_results(name), kept)


@dataclass(frozen=True)
class Audit:
    """What makes an accuracy on some images mean less than it seems.

    Attributes:
        path: of the images.
        facts: everything that was found, as `audit.json` of a study has it.
    """

    path: str
    facts: audit_results.Audit = field(repr=False)

    @property
    def pairs(self) -> pd.DataFrame:
        """The most alike images: those across classes, then those within one; columns a, b, kind, similarity."""
        return pd.DataFrame([asdict(pair) for pair in (*self.facts.conflicts, *self.facts.alike)])

    @property
    def alarms(self) -> list[str]:
        """What no accuracy survives, in sentences."""
        return [audit_text.sentence(statement) for statement in self.facts.of_level("alarm")]

    def summary(self) -> str:
        """Return everything as text."""
        return command.summary(self.facts, self.path)


def audit(
    path: str | Path,
    *,
    patient: str | None = None,
    threshold: float = 0.95,
    window: tuple[float, float] | None = None,
    up: int = 1,
    size: int = 224,
    crop: Literal["none", "body"] = "none",
    fit: Literal["crop", "pad", "squash"] = "crop",
) -> Audit:
    """Look for leaks and shortcuts in a folder or an archive of images, one folder a class; write nothing.

    Args:
        patient: pattern whose first group, found in a file name, is the patient.
        threshold: similarity of look-alikes.
        window: the values that become black and white.
        up: how many folders up the class is: 1 is the folder directly above.
        size: side of the preprocessed images, in pixels.
        crop: `none`, or `body` to cut to the body.
        fit: how images become square: `crop`, `pad` or `squash`.

    Raises:
        InputError: nothing can be read there, or an option is out of range.

    >>> import tempfile, pathlib
    >>> import numpy as np
    >>> from PIL import Image
    >>> import heatproof as hp
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for i in range(8):
    ...         place = pathlib.Path(folder, "ab"[i % 2], f"{i}.png")
    ...         place.parent.mkdir(exist_ok=True)
    ...         noise = np.random.default_rng(i // 2).integers(0, 255, (64, 64), dtype=np.uint8)
    ...         Image.fromarray(noise).save(place)
    ...     found = hp.audit(folder)
    >>> found.facts.duplicates.bytes.across_classes, len(found.alarms) > 0
    (4, True)
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path}: not found; give a folder or an archive of images")
    options = {"patient": patient, "threshold": threshold, "window": window, "up": up, "size": size}
    for name in ("threshold", "up", "size"):
        if not isinstance(options[name], (int, float)):
            raise InputError(f"{name}: {options[name]!r}; give a number")
    if window is not None and (isinstance(window, str) or len(window) != 2):
        raise InputError(f"window: {window!r}; give the values that become black and white")
    for name, value, known in (("crop", crop, ("none", "body")), ("fit", fit, ("crop", "pad", "squash"))):
        if value not in known:
            raise unknown(name, value, known)
    return Audit(str(path), audit_path(path, Namespace(**options, crop=crop, fit=fit)))
