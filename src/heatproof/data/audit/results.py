"""What an audit found, as values: stored in `audit.json`, read by the report, comparisons and `heatproof show`."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from heatproof.core.statements import Statement
from heatproof.data.audit.trivial import LEVEL
from heatproof.store import artifacts

Names = tuple[str, ...]
Number = float | None  # JSON has no NaN: None stands for a number that is not there
Level = Literal["alarm", "note", "fine"]


@dataclass(frozen=True)
class Copies:
    """Pairs of images that are the same or look alike, the images in them, and pairs across classes, groups, splits."""

    pairs: int
    images: int
    across_classes: int
    across_groups: int | None = None
    across_splits: int | None = None


@dataclass(frozen=True)
class Duplicates:
    """Copies of a file, of a picture (pixel by pixel), and look-alikes, which the former two are as well."""

    bytes: Copies
    pixels: Copies
    lookalikes: Copies

    @property
    def across_classes(self) -> int:
        return max(found.across_classes for found in (self.bytes, self.pixels, self.lookalikes))


@dataclass(frozen=True)
class Pair:
    """Two images that look alike; `kind` is the strongest that holds: bytes, pixels or lookalike."""

    a: str
    b: str
    row_a: int
    row_b: int
    label_a: str
    label_b: str
    similarity: float
    kind: str


@dataclass(frozen=True)
class Crossing:
    """Patients and pairs of look-alikes in two parts of a given split; None where patients are not known.

    Attributes:
        patients: in two parts, `of` all.
        test_images: of patients that are in another part too.
        pairs: of look-alikes in two parts.
    """

    patients: int | None
    of: int | None
    test_images: int | None
    pairs: int


@dataclass(frozen=True)
class Series:
    """Names that are numbered or lettered within a stem.

    Attributes:
        pattern: finds the stem, as its first group.
        stems: that several images share; images: in all.
        across: share of the test images with another of their stem in training, in the fold where most are; None
            without a split.
        examples: two names of one stem.
    """

    pattern: str
    stems: int
    images: int
    across: Number
    examples: Names


@dataclass(frozen=True)
class Spread:
    """Mean over random splits, and the percentiles that 95% of the draws lie between."""

    mean: Number
    low: Number
    high: Number
    draws: int


@dataclass(frozen=True)
class Leak:
    """Share of test images with a look-alike in training: by fold, None without training images; in random splits."""

    split: dict[str, Number]
    random: Spread

    @property
    def used(self) -> list[float]:
        """The shares of the splits in use."""
        return [share for fold, share in self.split.items() if fold.startswith("fold") and share is not None]


@dataclass(frozen=True)
class Step:
    """What a threshold of similarity gives; `reason`: why nothing, a code.

    Attributes:
        largest: images in the largest cluster.
        split: whether whole clusters can be split in the requested shares.
        worst_share: by how much a part's share of a class is missed.
        leak_random: mean share of test images with a look-alike in training, of random splits.
        neighbour: balanced accuracy of the nearest thumbnail with clusters apart.
    """

    threshold: float
    clusters: int | None = None
    largest: int | None = None
    pairs: int | None = None
    clusters_by_class: dict[str, int] | None = None
    worst_share: Number = None
    split: bool = False
    reason: str = ""
    leak_random: Number = None
    neighbour: Number = None


@dataclass(frozen=True)
class Probe:
    """Balanced accuracy of a trivial classifier, with the interval of a bootstrap over groups.

    Attributes:
        stage: raw or preprocessed; split: random or grouped.
        p: of a permutation test over groups; None where nothing is tested.
        groups: how many there are.
        reason: code of why a number is missing, "" where none is; `lacks`: which class it speaks of.
        examples: images that the classifier is surest of.
    """

    probe: str
    stage: str
    split: str
    balanced_accuracy: Number
    low: Number
    high: Number
    chance: float
    p: Number
    groups: int
    reason: str = ""
    lacks: str = ""
    examples: Names = ()

    @property
    def significant(self) -> bool:
        """Whether the permutation test finds more than chance; never of fewer than `trivial.LEAST` groups."""
        return self.p is not None and self.p <= LEVEL

    @property
    def below_chance(self) -> bool:
        """Whether the whole interval lies below chance."""
        return self.high is not None and self.high < self.chance


@dataclass(frozen=True)
class Column:
    """What a column of the source's table tells of the classes.

    Attributes:
        values: how many differ.
        probes: a linear model of the column alone, under the random and the grouped split.
        value, label: which go together most.
        share, others: how many images of that class, and of all others, have the value.
        together: whether nearly all images of the class have the value, and nearly no others.
    """

    name: str
    values: int
    probes: tuple[Probe, ...]
    value: str
    label: str
    share: float
    others: float
    together: bool

    @property
    def grouped(self) -> Probe:
        """The probe with whole groups apart."""
        return next(row for row in self.probes if row.split == "grouped")


@dataclass(frozen=True)
class NonSquare:
    """Images that are not square.

    Attributes:
        by_class: how many, class by class.
        groups: that have such images, `of` all.
        p: of a permutation test: have some classes more of them? None where nothing is tested.
        probes: whether linear models know them: `nonsquare` (by margins; raw and preprocessed), `nonsquare_border`,
            `nonsquare_outside`.
    """

    images: int
    by_class: dict[str, int]
    groups: int
    of: int
    p: Number
    examples: Names
    probes: tuple[Probe, ...]

    def probe(self, name: str) -> Probe:
        """Return a probe of the preprocessed images."""
        return next(row for row in self.probes if (row.probe, row.stage) == (name, "preprocessed"))


@dataclass(frozen=True)
class TruthLost:
    """Images of which preprocessing leaves too little of what is marked, nothing (`all`), and those with truth."""

    images: int
    all: int
    of: int
    examples: Names


@dataclass(frozen=True)
class Masks:
    """Masks that most likely are mistakes: inverted, or full; `images` names a few, the inverted first."""

    inverted: int
    full: int
    of: int
    images: Names


@dataclass(frozen=True)
class Shortcut:
    """A cue that the study adds to a share of the images of a class, and to the complement of the others."""

    kind: str
    rate: float
    label: str | None


@dataclass(frozen=True)
class BadFile:
    """A file that could not be used, and why."""

    source: str
    reason: str


@dataclass(frozen=True)
class Finding:
    """A statement of the audit, and how much it matters."""

    level: Level
    statement: Statement


@dataclass(frozen=True)
class Audit:
    """What was looked at, and what was found.

    Attributes:
        group_kind: patient, lookalike or image; split_by: see `Material`.
        classes: or labels, of which an image may have several in a `multilabel` study; `sets` of them there are.
        probed: the labels that probes were asked for.
        threshold: similarity from which two images look alike.
        conflicts, alike, strangers, leaks: the most alike pairs in different classes, in one class, of different
            groups, and with one image in training and one in test.
        memory_p: of what a nearest neighbour gains by a random split.
        kind: of source; `path` where no study is audited.
        findings: what a reader must know, alarms first.
    """

    images: int
    groups: int
    group_kind: str
    split_by: str | None
    crop: str
    fit: str
    patients_known: bool
    threshold: float
    classes: Names
    counts: dict[str, int]
    duplicates: Duplicates
    conflicts: tuple[Pair, ...]
    alike: tuple[Pair, ...]
    strangers: tuple[Pair, ...]
    leaks: tuple[Pair, ...]
    leak: Leak
    sweep: tuple[Step, ...]
    probes: tuple[Probe, ...]
    memory_p: Number = None
    series: Series | None = None
    nonsquare: NonSquare | None = None
    truth_lost: TruthLost | None = None
    odd_masks: Masks | None = None
    crossing: Crossing | None = None
    multilabel: bool = False
    sets: int | None = None
    probed: Names = ()
    kind: str = "path"
    quarantined: tuple[BadFile, ...] = ()
    seams: tuple[Probe, ...] = ()  # of a random forest, and of a linear model
    shortcut: Shortcut | None = None
    columns: tuple[Column, ...] = ()  # of the source's table
    findings: tuple[Finding, ...] = field(default=())

    def probe(self, name: str, stage: str, split: str = "grouped") -> Probe | None:
        """Return a probe that has a number, None where there is none."""
        rows = (row for row in self.probes if (row.probe, row.stage, row.split) == (name, stage, split))
        return next((row for row in rows if row.balanced_accuracy is not None), None)

    @property
    def united(self) -> bool:
        """Whether a group is whole patients, joined where images look alike."""
        return self.group_kind == "lookalike" and self.patients_known

    def of_level(self, *levels: Level) -> list[Statement]:
        """Return the statements of some levels."""
        return [finding.statement for finding in self.findings if finding.level in levels]

    def stored(self) -> dict:
        """Return what JSON holds of it."""
        findings = [{"level": one.level, **one.statement.stored()} for one in self.findings]
        stored = asdict(self) | {"findings": findings}
        return stored if self.columns else {key: value for key, value in stored.items() if key != "columns"}


def read_audit(path: Path) -> Audit:
    """Read `audit.json`.

    Raises:
        ArtifactError: the file is damaged, or of another version of heatproof.
    """
    from pydantic import TypeAdapter, ValidationError

    stored = artifacts.read_json(path)
    try:
        found = TypeAdapter(Audit).validate_python(stored | {"findings": _findings(stored["findings"])})
    except (KeyError, TypeError, ValidationError) as error:
        raise artifacts.ArtifactError(
            f"{path}: no audit of this version of heatproof; delete it and run again"
        ) from error
    return found


def _findings(rows: list[Mapping]) -> tuple[Finding, ...]:
    return tuple(
        Finding(row["level"], Statement.of({key: value for key, value in row.items() if key != "level"}))
        for row in rows
    )
