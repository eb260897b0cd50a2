"""Tables of images as public collections publish them: each is known by its columns."""

from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Mapping
from typing import NamedTuple

from heatproof.core.messages import InputError, bare, listed
from heatproof.data.sources.rows import NoColumn, Sheet, parse_numbers

CORNERS = ("x0", "y0", "x1", "y1")
SIDES = ("x", "y", "width", "height")
BOXED = (*CORNERS, *SIDES, "reader", "original_width", "original_height")  # roles of columns about one box of an image
JOINED = "|"  # between the labels of an image that stand in several rows or columns
_NIH = (
    "No Finding|Atelectasis|Cardiomegaly|Effusion|Infiltration|Mass|Nodule|Pneumonia|Pneumothorax|Consolidation|Edema|"
    "Emphysema|Fibrosis|Pleural_Thickening|Hernia"
)
_VINDR = (
    "No finding|Aortic enlargement|Atelectasis|Calcification|Cardiomegaly|Clavicle fracture|Consolidation|Edema|"
    "Emphysema|Enlarged PA|ILD|Infiltration|Lung Opacity|Lung cavity|Lung cyst|Mediastinal shift|Nodule/Mass|"
    "Other lesion|Pleural effusion|Pleural thickening|Pneumothorax|Pulmonary fibrosis|Rib fracture|COPD|Lung tumor|"
    "Pneumonia|Tuberculosis|Other disease|Other diseases"
)


class Form(NamedTuple):
    """How a collection writes its table.

    Attributes:
        columns: role to its column; a table that has them all is of this form. Roles are those of `data.columns`.
        more: the same, of columns that need not be there.
        wide: whether each label has a column, with 1, 0, -1 (uncertain) or nothing (not mentioned).
        patient: the line of a study that reads the patients, where they are known.
        view: columns that tell how an image was taken.
        size: width and height of the images that boxes are measured in, None: those of the files.
        vocabulary: labels that a study need not name.
        synonyms: spellings of this table to those of the collection's others.
        normal: the label of images without a finding; it counts where no reader has found one.
        repeated: whether an image may have several rows without boxes or readers.
    """

    name: str
    columns: Mapping[str, str]
    more: Mapping[str, str] = {}
    wide: bool = False
    patient: str = ""
    view: tuple[str, ...] = ()
    size: tuple[float, float] | None = None
    vocabulary: frozenset[str] = frozenset()
    synonyms: Mapping[str, str] = {}
    normal: str = ""
    repeated: bool = False


FORMS = (  # the first that fits
    Form(
        "NIH ChestX-ray14",
        {"path": "Image Index", "label": "Finding Labels"},
        patient="data.columns.patient: Patient ID",
        view=("View Position",),
        vocabulary=frozenset(_NIH.split("|")),
    ),
    Form(
        "NIH BBox_List_2017",
        {"path": "Image Index", "label": "Finding Label", "x": "Bbox [x", "y": "y", "width": "w", "height": "h]"},
        size=(1024, 1024),
        vocabulary=frozenset(_NIH.split("|")),
        synonyms={"Infiltrate": "Infiltration"},
    ),
    Form(
        "CheXpert",
        {"path": "Path", "frontal": "Frontal/Lateral", "projection": "AP/PA"},
        wide=True,
        patient=r"data.patient: '(patient\d+)'",
        view=("Frontal/Lateral", "AP/PA"),
    ),
    Form(
        "MIMIC-CXR",
        {"subject": "subject_id", "study": "study_id"},
        {"path": "dicom_id"},
        wide=True,
        patient="data.columns.patient: subject_id",
        view=("ViewPosition",),
    ),
    Form(
        "RSNA Pneumonia Detection",
        {"path": "patientId", "label": "Target"} | dict(zip(SIDES, SIDES, strict=True)),
        size=(1024, 1024),
    ),
    Form("RSNA Pneumonia Detection, detailed classes", {"path": "patientId", "label": "class"}, repeated=True),
    Form(
        "VinDr-CXR",
        {"path": "image_id", "label": "class_name", "x0": "x_min", "y0": "y_min", "x1": "x_max", "y1": "y_max"},
        {"reader": "rad_id", "original_width": "dim1", "original_height": "dim0"},
        vocabulary=frozenset(_VINDR.split("|")),
        normal="No finding",
    ),
    Form("VinDr-CXR, labels of images", {"path": "image_id"}, {"reader": "rad_id"}, wide=True, normal="No finding"),
    Form(
        "a box a row", {"path": "path", "label": "label"} | dict(zip(SIDES, SIDES, strict=True)), {"reader": "reader"}
    ),
    Form(
        "a box a row",
        {"path": "path", "label": "label"} | dict(zip(CORNERS, CORNERS, strict=True)),
        {"reader": "reader"},
    ),
    Form("an image a row", {"path": "path", "label": "label"}),
    Form("an image a row, a column a label", {"path": "path"}, wide=True),
)
OWN = "columns of the study"


def recognize(
    header: Iterable[str], where: str, named: Mapping[str, str], words: Mapping[str, str]
) -> tuple[Form, dict[str, str]]:
    """Recognize the form of a table by its columns.

    Args:
        header: the columns.
        where: names the table in errors.
        named: role to the column that the study names; where it names path and label, nothing is recognized.
        words: class name to its word in the table; a table with a column a label has columns of these names.

    Returns:
        The form, and the columns by role: those that are named, and those of the form.

    Raises:
        InputError: the table is of no form, or of one that lacks a column.

    >>> form, columns = recognize(["Image Index", "Finding Labels"], "t.csv", {}, {})
    >>> form.name, columns["path"]
    ('NIH ChestX-ray14', 'Image Index')
    """
    there = {bare(name): name for name in reversed(list(header))}
    wide = any(bare(word) in there for word in words.values())
    if "path" in named and ("label" in named or wide):
        return Form(OWN, named, wide="label" not in named), dict(named)
    for form in FORMS:
        needed = [name for role, name in form.columns.items() if role not in named]
        if all(bare(name) in there for name in needed) and (not form.wide or wide):
            columns = {role: there[bare(name)] for role, name in form.columns.items() if bare(name) in there}
            columns |= {role: there[bare(name)] for role, name in form.more.items() if bare(name) in there}
            return form, columns | dict(named)
    shown = listed(filter(None, header), 8) or "none"
    raise InputError(f"{where}: no table that is known by its columns ({shown}); set data.columns.path and .label")


def join(left: Sheet, right: Sheet, left_name: str, right_name: str) -> tuple[Sheet, int]:
    """Join two tables by the columns that both have, as labels of studies with the images of each.

    Args:
        left: whose lines the result has.

    Returns:
        Rows that both have, and how many of the left one have no match.

    Raises:
        InputError: no column is in both, or several rows of each have the same values in these.

    >>> study = Sheet([2], {"study": ["s"], "Edema": ["1"]})
    >>> images = Sheet([2, 3], {"study": ["s", "s"], "id": ["a", "b"]})
    >>> join(study, images, "labels.csv", "images.csv")[0].columns["Edema"]
    ['1', '1']
    """
    shared = [name for name in left.columns if name in right.columns]
    if not shared:
        raise NoColumn(right_name, ["of " + left_name], right.columns, "; data.join needs one that both have")
    keys = [list(zip(*(sheet.columns[name] for name in shared), strict=True)) for sheet in (left, right)]
    once = _first(zip(*right.columns.values(), strict=True)).values()  # equal rows are one
    at_left, at_right = _first(keys[0]), _first(keys[1])
    if len(at_right) == len(once):
        pairs = [(place, at_right[key]) for place, key in enumerate(keys[0]) if key in at_right]
    elif len(at_left) == len(keys[0]):
        pairs = [(at_left[keys[1][place]], place) for place in once if keys[1][place] in at_left]
    else:
        raise InputError(
            f"{right_name}: several rows of one {listed(shared)}, as {left_name} has; data.join needs one row in either"
        )
    columns = {name: [cells[place] for place, _ in pairs] for name, cells in left.columns.items()}
    columns |= {
        name: [cells[place] for _, place in pairs] for name, cells in right.columns.items() if name not in columns
    }
    lost = len(keys[0]) - len({place for place, _ in pairs})
    return Sheet([left.lines[place] for place, _ in pairs], columns), lost


def _first(values: Iterable[Hashable]) -> dict[Hashable, int]:
    """The first place of each value."""
    found: dict[Hashable, int] = {}
    for place, value in enumerate(values):
        found.setdefault(value, place)
    return found


def wide_labels(
    sheet: Sheet, where: str, words: Mapping[str, str], uncertain: str, blank: str
) -> tuple[list[str | None], list[str]]:
    """Write the labels of a table with a column a label as one cell a row.

    Args:
        words: class name to its column.
        uncertain, blank: what -1 and an empty cell mean: `absent`, `present` or `leave_out`.

    Returns:
        A cell a row, its labels separated by `JOINED`, None where the row is left out; and a line on each rule used.

    Raises:
        InputError: a column is not there, or a cell holds another value.
    """
    there = {bare(name): name for name in reversed(list(sheet.columns))}
    if missing := [f"{word} (data.classes.{name})" for name, word in words.items() if bare(word) not in there]:
        raise NoColumn(where, missing, sheet.columns)
    rules = {-1.0: uncertain, 0.0: "absent", 1.0: "present"}
    labels: list[list[str] | None] = [[] for _ in sheet.lines]
    counts, bad = Counter(), []
    for word in words.values():
        cells = sheet.columns[there[bare(word)]]
        values = {cell: _number(cell) for cell in set(cells)}
        for place, cell in enumerate(cells):
            value = values[cell]
            rule = rules.get(value) if cell else blank
            counts[value if cell else ""] += 1
            if rule is None:
                bad.append(f"{cell!r} (line {sheet.lines[place]})")
            elif rule == "leave_out":
                labels[place] = None
            elif rule == "present" and labels[place] is not None:
                labels[place].append(word)
    if bad:
        raise InputError(f"{where}: labels that are not 1, 0, -1 or blank: {listed(bad)}; correct the cells")
    notes = [
        f"{where}: {shown} counts as {rule.replace('_', ' ')} in {counts[value]:,} cells ({key})"
        for value, shown, rule, key in (
            (-1.0, "-1", uncertain, "data.uncertain"),
            ("", "a blank", blank, "data.blank"),
        )
        if counts[value]
    ]
    return [None if row is None else JOINED.join(row) for row in labels], notes


def _number(cell: str) -> float | None:
    try:
        return parse_numbers([cell])[0]
    except ValueError:
        return None


class BoxRow(NamedTuple):
    """A box of a table, in pixels of the original image: its corners, reader and the original's width and height."""

    corners: tuple[float, float, float, float]
    reader: str
    size: tuple[float, float] | None


def box_rows(sheet: Sheet, where: str, columns: Mapping[str, str], form: Form) -> list[BoxRow | None] | None:
    """Read the boxes of a table with a box a row.

    Returns:
        One a row, None where its cells are blank; None if the table has no boxes.

    Raises:
        InputError: cells are no numbers, some of a box are blank, a box has no area, or readers have no name.
    """
    roles = next((roles for roles in (CORNERS, SIDES) if any(role in columns for role in roles)), None)
    if roles is None:
        return None
    if missing := [role for role in roles if role not in columns]:
        raise InputError(f"{where}: data.columns.{missing[0]}: a box needs {', '.join(roles)}; set it")
    sizes = [role for role in ("original_width", "original_height") if role in columns]
    numbers = {role: _numbers(sheet, where, columns[role]) for role in (*roles, *sizes)}
    readers = sheet.columns[columns["reader"]] if "reader" in columns else [""] * len(sheet.lines)
    found: list[BoxRow | None] = []
    halves, flat, nameless, unsized = [], [], [], []
    for place, line in enumerate(sheet.lines):
        box = [numbers[role][place] for role in roles]
        blanks = sum(value != value for value in box)
        if blanks:
            found.append(None)
            if blanks < 4:
                halves.append(f"line {line}")
            continue
        if roles == SIDES:
            box = [box[0], box[1], box[0] + box[2], box[1] + box[3]]
        size = tuple(numbers[role][place] for role in sizes)
        if box[0] >= box[2] or box[1] >= box[3]:
            flat.append(f"line {line}")
        if "reader" in columns and not readers[place]:
            nameless.append(f"line {line}")
        if size and not (len(size) == 2 and min(size) > 0):
            unsized.append(f"line {line}")
        found.append(BoxRow(tuple(box), readers[place], size or form.size))
    for places, what in (
        (halves, f"boxes with a blank among {', '.join(roles)}"),
        (flat, "boxes without area"),
        (nameless, f"boxes without a reader in {columns.get('reader')!r}"),
        (unsized, "boxes without the width and height of their original image"),
    ):
        if places:
            raise InputError(f"{where}: {what}: {listed(places)}; correct the cells")
    return found


def _numbers(sheet: Sheet, where: str, column: str) -> list[float]:
    try:
        return parse_numbers(sheet.columns[column])
    except ValueError as error:
        raise InputError(f"{where}: {column} {error}") from None


def separators(cells: Collection[str], repeated: bool) -> str:
    """Return what separates the labels of a cell: `|` or `;` where one is used, else commas and slashes.

    Args:
        repeated: whether the labels of an image stand in several rows.

    >>> separators(["Mass|Nodule", "Hernia"], False), separators(["ARDS, COVID-19"], False)
    ('|', ',/')
    """
    used = next((mark for mark in "|;" if any(mark in cell for cell in cells)), "")
    return used or (JOINED if repeated else ",/")
