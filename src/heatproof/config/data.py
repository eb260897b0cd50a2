"""The section `data` of the configuration, with `data.split`."""

import re
from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    BeforeValidator,
    Field,
    TypeAdapter,
    ValidationError,
    WrapValidator,
    field_validator,
    model_validator,
)

from heatproof.config.base import Distinct, Positive, Section, Share, number
from heatproof.data.sources.places import GIVEN, LABEL, elsewhere, parsed

ALL = "all"


def share_or_all(value: Any) -> float | str:
    """A share, or the word for every image, with one message for both."""
    try:
        return value if value == ALL else TypeAdapter(Share).validate_python(value)
    except ValidationError:
        raise ValueError("must be a share from 0 to 1, or all") from None


class Split(Section):
    """How images are assigned to train, val and test: whole groups with the same shares of every class, or as given."""

    # auto: patient where known, else lookalike; column, folder: the user's own split, as it is
    by: Literal["auto", "patient", "lookalike", "random", "column", "folder"]
    train: Share
    val: Share
    test: Annotated[float | str, BeforeValidator(share_or_all)]  # all: of checkpoints that are not trained here
    unseen: bool  # of `all`: no checkpoint was trained on any of the images
    tolerance: Annotated[float, Field(gt=0, le=0.5)]  # of a split's share of a class's images
    folds: Positive  # from 3: cross-validation, each group tested once
    compare: Literal["random"] | None = None  # also train on this split, to show what it hides

    @field_validator("folds")
    @classmethod
    def _enough(cls, value):
        if value == 2:
            raise ValueError("cross-validation needs at least 3 folds: one tests, one validates, the rest train")
        return value

    @model_validator(mode="after")
    def _sums(self):
        if self.given and self.folds > 1:
            raise ValueError(f"by: {self.by} gives one split, and folds: {self.folds} needs several; set folds: 1")
        if self.test == ALL:
            if self.given:
                raise ValueError(f"test: all tests every image, and by: {self.by} gives a split; set one of them")
            if self.folds > 1 or self.compare:
                raise ValueError("test: all leaves nothing to train on; set folds: 1 and compare: null")
            return self
        if abs(self.train + self.val + self.test - 1) > 1e-6:
            raise ValueError(f"train + val + test is {self.train + self.val + self.test:g}, not 1")
        if min(self.train, self.val, self.test) <= 0:
            raise ValueError("train, val and test must each be above 0")
        if self.compare == self.by:
            raise ValueError("compare: random beside by: random compares a split with itself")
        return self

    @property
    def given(self) -> bool:
        """Whether the split came with the images."""
        return self.by in GIVEN

    @property
    def names(self) -> list[str]:
        """Every way the images are dealt: `fold0`, ..., those that are explained and scored."""
        return [f"fold{index}" for index in range(self.folds)]

    @property
    def compared(self) -> list[str]:
        """`random0`, ...: trained on and tested only, to stand beside."""
        return [f"{self.compare}{index}" for index in range(self.folds)] if self.compare else []


Text = Annotated[str, Field(coerce_numbers_to_str=True)]  # labels often are numbers
Item = TypeVar("Item")
Some = Annotated[list[Item], Field(min_length=1)]


def forms(what: str) -> WrapValidator:
    """Say in one line which forms a value may have, where pydantic has a line for each."""

    def check(value: Any, validate: Callable) -> Any:
        try:
            return validate(value)
        except ValidationError:
            raise ValueError(f"must be {what}") from None

    return WrapValidator(check)


class Phantom(Section):
    """How many synthetic patients, and slices of each."""

    patients: Annotated[int, Field(ge=9)]
    slices: Positive
    varied: bool | None = None  # as real slices differ, for networks that are fine-tuned on those afterwards


class Download(Section):
    """Where the source comes from if it is not there yet: one of an address, a Kaggle data set, a Mendeley data set."""

    url: str | None = None
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None  # of the file that the address serves
    kaggle: Annotated[str, Field(pattern=r"^[\w.-]+/[\w.-]+$")] | None = None  # owner/name
    mendeley: Annotated[str, Field(pattern=r"^\w+(/\d+)?$")] | None = None  # id, or id/version
    unchecked: bool | None = None  # what is served there changes

    @model_validator(mode="after")
    def _one(self):
        if sum(value is not None for value in (self.url, self.kaggle, self.mendeley)) != 1:
            raise ValueError("needs one of url, kaggle and mendeley")
        if self.url and not re.match(r"https?://[^/]", self.url):
            raise ValueError("url must start with http:// or https://")
        if self.sha256 and not self.url:
            raise ValueError("sha256 belongs to url; set data.contents to check single files")
        return self


class Columns(Section):
    """Names of a table's columns; those of a table that is known by its columns need none (docs/data.md)."""

    path: str | None = None  # relative to the table, and to the folder where there is one
    label: str | None = None
    patient: str | None = None
    mask: str | None = None  # path; several separated by ;
    box: str | None = None  # x y width height, in pixels; several separated by ;
    marks: str | None = None  # of several labels an image those that its mask or box marks
    folder: str | None = None  # of the path
    license: str | None = None  # of the image
    split: str | None = None  # of `data.split.by: column`; without a name, the column `split`
    x: str | None = None  # of a table with a row a box, in pixels of the original image
    y: str | None = None
    width: str | None = None
    height: str | None = None
    x0: str | None = None  # or its corners
    y0: str | None = None
    x1: str | None = None
    y1: str | None = None
    reader: str | None = None  # who marked the box, or gave the label
    original_width: str | None = None  # of the image that boxes are measured in, where images were resized
    original_height: str | None = None

    @field_validator("*")
    @classmethod
    def _named(cls, value):
        if value is not None and not value.strip():
            raise ValueError("needs the name of a column")
        return value

    @property
    def special(self) -> bool:
        """Whether a column is named that not every table has."""
        return any(value for key, value in self if key not in ("path", "label"))


class Shortcut(Section):
    """A cue that is not disease, drawn into `rate` of the images of one class and 1 - `rate` of all others."""

    kind: Literal["corner_mark", "text_tag", "vignette", "blur", "noise", "contrast"]
    rate: Annotated[float, Field(ge=0.5, le=1)]
    test_rate: Annotated[float, Field(ge=0, le=1)] | None = None  # of test images; at 0.5 it tells nothing there
    label: str | None = None  # the class that has it; without one the last


class Planted(Section):
    """Nodules planted into images without lesions, and sham plants into the others."""

    kind: Literal["archive", "folder", "table", "dicom"]  # of data.source
    share: Annotated[float, Field(gt=0, lt=1)]  # of the images that get a nodule
    radius: tuple[float, float]  # of the image's side
    contrast: tuple[float, float]  # grey levels above the lung

    @model_validator(mode="after")
    def _ordered(self):
        if not 0.01 <= self.radius[0] <= self.radius[1] <= 0.2:
            raise ValueError("radius must be [low, high] between 0.01 and 0.2 of the side")
        if not 1 <= self.contrast[0] <= self.contrast[1] <= 255:
            raise ValueError("contrast must be [low, high] between 1 and 255 grey levels")
        return self


Similarity = Annotated[float, Field(gt=0.3, le=1)]


class Audit(Section):
    """How the data are looked into."""

    draws: Annotated[int, Field(ge=10)]  # random splits that the leak rate is taken over
    bootstrap: Annotated[int, Field(ge=100)]
    folds: Annotated[int, Field(ge=2)]  # of the trivial classifiers
    sweep: list[Similarity]
    columns: Annotated[list[Text], Distinct]  # of the table or the DICOM header: cues such as the scanner, ViewPosition
    # of test images, to see whether models use it; needs the region border, or body
    blank: Annotated[list[Literal["border", "background"]], Distinct]


class Data(Section):
    """Where images come from and how they become one array."""

    kind: Literal["phantom", "xray_phantom", "archive", "folder", "table", "dicom", "planted"]
    source: str | None = None
    download: Download | None = None
    contents: str | None = None  # file with a line `sha256  path` for each image that the source must hold
    table: str | None = None  # path of the table inside the source; without it the source is the table
    join: list[Text]  # tables beside it, joined by the columns that both have
    keep: dict[str, list[Text]]  # column of the table: the values whose rows are taken
    leave_out: list[Text]  # labels, whole or in part, whose rows are not taken
    classes: dict[Text, Text]  # class name: folder name, or value of the table's label column
    parents: dict[Text, Text]  # of a multilabel study, label: the label that it is a kind of
    synonyms: dict[Text, Text | None]  # other words of the label column: the label that they mean, or null
    masks: str | None = None  # folder of masks inside the source, or a whole path; may end in a pattern, '{stem}_mask*'
    # the value of a mask that is lesion, without one 1 or 255, beside 0; or of a map of labels the values of each
    mask_value: Annotated[
        float | dict[Text, float | Some[float]] | None, forms("a number, or label: number or numbers")
    ] = None
    mask_threshold: float | None = None  # the least value of a mask that is lesion
    uncertain: Literal["absent", "present", "leave_out"]  # of a table with a column a label, what -1 means
    blank: Literal["absent", "present", "leave_out"]  # and an empty cell
    marks: Annotated[list[Text], Distinct]  # of several labels an image those that masks and boxes mark
    boxes: str | None = None  # CSV inside the source: path, x, y, width, height; beside a table, any with a row a box
    # regions by label: a file or folder (COCO, CheXlocalize, a table of boxes, DICOM SEG), or reader: file or files
    annotations: Annotated[Text | dict[Text, Text | Some[Text]], forms("a path, or reader: path or paths")]
    # the first one's regions are the truth; or any one's
    readers: Annotated[
        Annotated[list[Text], Distinct] | Literal["rotating"], forms("a list of names, each once, or rotating")
    ]
    lungs: str | None = None  # as masks, of the lung fields; of a table the column that names them
    # regular expression whose first group, found in the file name, or in a table's cell or path, is the patient
    patient: str | None = None
    columns: Columns
    key_file: str | None = None  # DICOM: the file whose bytes key the pseudonyms
    size: Annotated[int, Field(ge=32)]
    channels: Annotated[Literal[1, 3], BeforeValidator(number)]
    window: tuple[float, float] | None = None  # the values that become black and white
    crop: Literal["none", "body"]
    fit: Literal["crop", "pad", "squash"]
    lookalike: Similarity  # correlation of thumbnails from which two images look alike
    # looked for in the pixels; along the image's edges; where a cue lies
    regions: Annotated[list[Literal["body", "lungs", "border", "cue"]], Distinct]
    modality: Literal["ct", "xray"]  # what regions are looked for in
    sample: Annotated[int, Field(ge=2)] | None = None  # patients, or images where these are not known; none: all
    on_bad: Literal["error", "quarantine"]
    split: Split
    shortcut: Shortcut | None = None
    planted: Planted
    phantom: Phantom
    audit: Audit
    drawn_as: str | None = None  # a study with the same data: its phantoms, plants, cues and splits, not others
    seed: int

    @field_validator("patient")
    @classmethod
    def _pattern(cls, value):
        if value is not None:
            try:
                groups = re.compile(value).groups
            except re.error as error:
                raise ValueError(f"not a regular expression: {error}") from None
            if groups < 1:
                raise ValueError("needs a group in parentheses around the patient's id")
        return value

    @field_validator("masks", "lungs")
    @classmethod
    def _called(cls, value):
        if value is not None:
            found = elsewhere(value)
            parsed(found[1] if found else value)
        return value

    @field_validator("window")
    @classmethod
    def _window(cls, value):
        if value is not None and not value[0] < value[1]:
            raise ValueError("must be [low, high] with low below high")
        return value

    @model_validator(mode="after")
    def _complete(self):
        if (self.drawn or self.kind == "planted") and self.channels != 1:
            raise ValueError(f"a {self.kind} study has one channel: set data.channels to 1")
        if self.shortcut and self.shortcut.label and self.shortcut.label not in self.class_names:
            raise ValueError(f"data.shortcut.label must be one of {', '.join(self.class_names)}")
        if self.shortcut and self.shortcut.test_rate is not None and (self.split.folds > 1 or self.split.compare):
            raise ValueError(
                "data.shortcut.test_rate needs one test split: images that one fold tests are trained on in another; "
                "set split: {folds: 1, compare: null}"
            )
        if "cue" in self.regions and not self.shortcut:
            raise ValueError("data.regions: there is no cue without data.shortcut; leave it out, or set a shortcut")
        if "cue" in self.regions and self.shortcut.kind in ("blur", "noise", "contrast"):
            kind = self.shortcut.kind
            raise ValueError(f"data.regions: cue: {kind} changes the whole image and has no place; leave cue out")
        if "lungs" in self.regions and self.modality == "xray" and not self.lungs:
            raise ValueError(
                "data.regions: lungs are looked for in CT alone; leave them out, or set data.lungs to masks"
            )
        for blank, region in (("border", "border"), ("background", "body")):
            if blank in self.audit.blank and region not in self.regions:
                raise ValueError(f"data.audit.blank: {blank} is known by data.regions: {region}; add it there")
        if self.split.by == "patient" and not self.patients_known:
            raise ValueError("data.split.by: patient needs patients: data.patient, a column of the table, or DICOM")
        if self.split.by == "column" and self.base != "table":
            raise ValueError(
                f"data.split.by: column needs a table, and data.kind is {self.kind}; by: folder reads folders"
            )
        if self.split.by == "folder" and self.base not in ("archive", "folder"):
            raise ValueError(
                f"data.split.by: folder needs an archive or a folder of images, and data.kind is {self.kind}"
            )
        self._check_unread()
        if self.kind == "xray_phantom" and self.modality != "xray" and {"body", "lungs"} & set(self.regions):
            raise ValueError("data.modality: an xray_phantom is no CT, where body and lungs look otherwise; set xray")
        if self.drawn:
            return self
        if not self.source:
            raise ValueError(f"data.kind {self.kind} needs data.source, the path of the images")
        if self.download and self.base == "dicom" and not self.download.sha256:
            raise ValueError("only url downloads can be checked for DICOM: set data.download.url and its sha256")
        if self.download and not (self.download.sha256 or self.contents or self.download.unchecked):
            raise ValueError(
                "data.download needs data.download.sha256 or data.contents, to check what came; of what is not always "
                "the same set data.download.unchecked: true"
            )
        if self.base == "dicom" and not self.key_file:
            raise ValueError("DICOM needs data.key_file, a file with the secret key of the pseudonyms")
        if self.base == "dicom" and self.contents:
            raise ValueError("data.contents cannot check DICOM, whose digests are pseudonyms; use download.sha256")
        needed = 1 if self.kind == "planted" else 2
        if len(self.classes) < needed:
            count = "one class name" if needed == 1 else "two class names"
            raise ValueError(f"data.classes must map at least {count} to folder names")
        if len(set(self.classes.values())) < len(self.classes):
            raise ValueError("data.classes maps two classes to one folder")
        self._check_labels()
        return self

    def _check_labels(self) -> None:
        """The tables that unfold a finding name labels, and no label is a kind of itself."""
        known = f"it is none of data.classes: {', '.join(self.classes)}"
        for label, parent in self.parents.items():
            for name in (label, parent):
                if name not in self.classes:
                    raise ValueError(f"data.parents.{label}: {name!r}: {known}")
            line = [label]
            while line[-1] in self.parents and line[-1] not in line[:-1]:
                line.append(self.parents[line[-1]])
            if line[-1] in line[:-1]:
                raise ValueError(f"data.parents.{label}: a circle: {' > '.join(line)}; take one of them out")
        for word, label in self.synonyms.items():
            if label is not None and label not in self.classes:
                raise ValueError(f"data.synonyms.{word}: {label!r}: {known}")
            if word in self.classes.values():
                raise ValueError(f"data.synonyms.{word}: data.classes has this word already; take one of them out")
        for label in self.mask_value if isinstance(self.mask_value, dict) else ():
            if label not in self.classes:
                raise ValueError(f"data.mask_value.{label}: {known}")
        for word in self.leave_out:
            if word in (*self.classes.values(), *self.synonyms):
                raise ValueError(
                    f"data.leave_out: {word!r} is a word of data.classes or data.synonyms; take one of them out"
                )

    def _check_unread(self) -> None:
        """A key that is not read must not look as if it were."""
        planted, base = self.kind == "planted", self.base
        none = "leave it out: nodules are planted into images without lesions"
        for key, unread, fix in (
            ("masks", self.masks and planted, none),
            ("boxes", self.boxes and planted, none),
            ("columns.mask", self.columns.mask and planted, none),
            ("columns.box", self.columns.box and planted, none),
            ("annotations", self.annotations and (self.drawn or planted), none),
            ("readers", self.readers and (self.drawn or planted), none),
            ("masks", self.masks and base == "table" and not self.masks_by_label, "set data.columns.mask"),
            ("columns.mask", self.columns.mask and self.masks, "leave it or data.masks out"),
            *(
                (key, value and self.annotations, "leave it or data.annotations out")
                for key, value in {"masks": self.masks, "boxes": self.boxes, "marks": self.marks}.items()
            ),
            *(
                (f"columns.{key}", getattr(self.columns, key) and self.annotations, "leave it or data.annotations out")
                for key in ("mask", "box", "marks")
            ),
            ("marks", self.marks and self.masks_by_label, "leave it out: masks say which label they are of"),
            ("readers", self.readers and not (self.annotations or base == "table"), "set data.annotations"),
            (
                "mask_value",
                isinstance(self.mask_value, dict) and LABEL in (self.masks or ""),
                f"the names of masks say their labels by {LABEL}; give one value",
            ),
            ("boxes", self.boxes and base == "dicom", "draw them as masks and set data.masks"),
            *(
                (key, getattr(self, key) is not None and not (self.masks or self.columns.mask), "set data.masks too")
                for key in ("mask_value", "mask_threshold")
            ),
            ("mask_value", None not in (self.mask_value, self.mask_threshold), "leave it or data.mask_threshold out"),
            ("marks", self.marks and self.columns.marks, "leave it or data.columns.marks out"),
            ("lungs", self.lungs and (self.drawn or planted), "leave it out: its lungs are looked for"),
            ("lungs", self.lungs and "lungs" not in self.regions, "add lungs to data.regions"),
            ("sample", self.sample and self.kind == "phantom", "set data.phantom.patients"),
            ("sample", self.sample and self.contents, "leave it out: data.contents is about all images"),
            ("patient", self.patient and base == "dicom", "leave it out: DICOM files name their patients"),
            ("columns.split", self.columns.split and self.split.by != "column", "set data.split.by: column"),
            ("columns", base != "table" and self.columns.special, "leave it out: only a table has columns"),
            *(
                (key, getattr(self, key) and base != "table", "leave it out: it is about a table")
                for key in ("table", "join", "keep", "leave_out", "parents")
            ),
            (
                "synonyms",
                self.synonyms and base != "table" and not (self.annotations or self.masks_by_label),
                "leave it out: it is about a table, annotations or masks by label",
            ),
            (
                "audit.columns",
                self.audit.columns and base not in ("table", "dicom"),
                "leave it out: only a table has columns, and DICOM files have headers",
            ),
        ):
            if unread:
                raise ValueError(f"data.{key} is not read where data.kind is {self.kind}; {fix}")

    @property
    def masks_by_label(self) -> bool:
        """Whether names or values of masks say which label they are of."""
        return bool(self.masks and (LABEL in self.masks or isinstance(self.mask_value, dict)))

    @property
    def annotation_files(self) -> list[str]:
        """Files and folders of annotations, as they are named."""
        named = [self.annotations] if isinstance(self.annotations, str) else list(self.annotations.values())
        return [path for one in named for path in ([one] if isinstance(one, str) else one) if path]

    @property
    def base(self) -> str:
        """The kind of the source itself, of which a planted study is made too."""
        return self.planted.kind if self.kind == "planted" else self.kind

    @property
    def drawn(self) -> bool:
        """Whether the images are synthetic as a whole."""
        return self.kind in ("phantom", "xray_phantom")

    @property
    def class_names(self) -> list[str]:
        """The classes of the study, in the order of their labels."""
        made = {"phantom": ["normal", "benign", "malignant"], "planted": ["normal", "planted"]}
        made["xray_phantom"] = ["No finding", "Nodule", "Consolidation", "Effusion", "Cardiomegaly"]
        return made.get(self.kind, list(self.classes))

    @property
    def patients_known(self) -> bool:
        in_table = self.base == "table" and self.columns.patient
        return bool(self.patient or in_table or self.drawn or self.base == "dicom")

    @property
    def group_kind(self) -> str:
        """What a group is: a `patient`, a cluster of images that look alike, or an `image`."""
        if self.patients_known and self.split.by != "lookalike":
            return "patient"
        return "image" if self.split.by == "random" else "lookalike"


def check_task(task: str, data: Data) -> None:
    """Make sure that the data can be those of the task.

    Raises:
        ValueError: they cannot; the message names the key and the fix.
    """
    if task == "multiclass":
        stated = {"parents": data.parents, "marks": data.marks, "columns.marks": data.columns.marks}
        if not (data.annotations or data.masks_by_label):
            stated["synonyms"] = data.synonyms
        for key, value in stated.items():
            if value:
                raise ValueError(f"data.{key}: is not read where task is multiclass; set task: multilabel")
        if data.kind == "xray_phantom":
            raise ValueError("data.kind: an xray_phantom has several findings an image; set task: multilabel")
        return
    if data.kind not in ("table", "xray_phantom"):
        raise ValueError(
            f"data.kind: task: multilabel needs a table, whose cells name several labels, or xray_phantom; it is "
            f"{data.kind}"
        )
    for name in data.marks:
        if name not in data.class_names:
            raise ValueError(f"data.marks: {name!r}: it is none of data.classes: {', '.join(data.classes)}")
    if data.shortcut:
        raise ValueError("data.shortcut: marks the images of one class; leave it out where task is multilabel")
