"""What an audit states of what it found, as values, and the sentences of all kinds in one golden file."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from report.audits import FINE, calm, probe, step

from heatproof.data.audit.command import WIDTH, summary
from heatproof.data.audit.results import (
    Audit,
    BadFile,
    Column,
    Copies,
    Crossing,
    Duplicates,
    Leak,
    Masks,
    NonSquare,
    Pair,
    Series,
    Shortcut,
    Spread,
    TruthLost,
    read_audit,
)
from heatproof.data.audit.statements import findings
from heatproof.store import artifacts
from heatproof.store.artifacts import ArtifactError
from heatproof.text.audit import TEMPLATES, sentence

GOLDEN = Path(__file__).with_name("audit.txt")
IMAGES = pd.DataFrame({"group": [f"p{i // 2}" for i in range(100)], "label": [i // 60 for i in range(100)]})
QUIET = replace(calm(IMAGES, ["normal", "ill"]), sweep=(), memory_p=0.5, findings=())
FOUND = {"balanced_accuracy": 0.7, "low": 0.55, "high": 0.8, "p": 0.0125}
BELOW = {"balanced_accuracy": 0.4, "low": 0.3, "high": 0.49}
CLUSTERS = {"group_kind": "lookalike", "split_by": "lookalike", "patients_known": False}
LEAK = Leak({"fold0": 0.104, "fold1": 0.02, "random0": 0.9}, Spread(0.93, 0.897, 0.9634, 200))
STEPS = (
    step(0.9, clusters=9, largest=80, split=False, neighbour=None),
    step(0.95, neighbour=0.51),
    step(0.99, clusters=90, largest=3, neighbour=0.876),
)


def pair(a: str, b: str, kind: str = "lookalike") -> Pair:
    return Pair(a, b, 0, 1, "ill", "normal", 0.9516, kind)


PAIRS = (pair("1.png", "2.png", "bytes"), pair("3.png", "4.png", "pixels"), pair("5.png", "6.png"))


def probed(audit: Audit, changes: dict[tuple[str, str, str], dict]) -> Audit:
    """An audit in which probes, named by probe, stage and split, have other numbers."""
    rows = [replace(row, **changes.get((row.probe, row.stage, row.split), {})) for row in audit.probes]
    return replace(audit, probes=tuple(replace(row, examples=("a.png", "b.png")) for row in rows))


def cue(stages: str, probe: str = "shape", found: dict = FOUND, **more) -> Audit:
    changes = {(probe, stage, "grouped"): found for stage in stages.split()}
    return replace(probed(QUIET, changes), **more)


def odd(normal: int, ill: int, p: float | None = 0.0125, **rows: dict) -> Audit:
    """Images that are not square, of 40 groups; no margin is left, and the rest shows nothing unless `rows` do."""
    probes = [probe(name, "preprocessed", "grouped") for name in ("nonsquare", "nonsquare_border", "nonsquare_outside")]
    probes[0] = replace(probes[0], balanced_accuracy=None, low=None, high=None, p=None, reason="no_margin")
    probes = [replace(row, **rows.get(row.probe, {})) for row in probes]
    found = NonSquare(normal + ill, {"normal": normal, "ill": ill}, 18, 40, p, ("a.png", "b.png"), tuple(probes))
    return replace(QUIET, nonsquare=found)


def column(label: str = "ill", together: bool = False, **found) -> Column:
    """A column whose probe has other numbers."""
    rows = [replace(probe("column view", "raw", split), **found) for split in ("random", "grouped")]
    return Column("view", 2, tuple(rows), "AP", label, 0.97, 0.04, together)


NOTHING = {"balanced_accuracy": None, "low": None, "high": None, "p": None}
SERIES = Series("^(.+)$", 9, 30, 0.4, ("a-1.png", "a-2.png"))
FEW = {(row.probe, row.stage, row.split): {"groups": 19, "p": None} for row in QUIET.probes}
# case -> audit, and the findings that a quiet audit has not
CASES = {
    "a column that tells": (replace(QUIET, columns=(column(**FOUND),)), {"alarm": ["column.tells"]}),
    "a class that goes with a source": (
        replace(QUIET, columns=(column(together=True, **FOUND),)),
        {"alarm": ["column.together"]},
    ),
    "columns that tell nothing": (replace(QUIET, columns=(column(),)), {"fine": ["column.no_evidence"]}),
    "columns of few groups": (replace(QUIET, columns=(column(p=None),)), {"note": ["column.untested"]}),
    "copies in different classes": (
        replace(QUIET, duplicates=Duplicates(Copies(3, 6, 1), Copies(5, 10, 3), Copies(9, 12, 4)), conflicts=PAIRS),
        {
            "alarm": ["conflict.file", "conflict.picture"],
            "note": ["conflict.lookalikes", "copies.files", "copies.pictures"],
        },
    ),
    "plants make the classes": (
        replace(QUIET, kind="planted", duplicates=Duplicates(Copies(0, 0, 0), Copies(0, 0, 0), Copies(9, 12, 4))),
        {},
    ),
    "a given split that crosses": (
        replace(QUIET, split_by="column", crossing=Crossing(2, 40, 3, 1)),
        {"alarm": ["given_split.crossed"]},
    ),
    "a given split that keeps": (
        replace(QUIET, split_by="column", crossing=Crossing(0, 40, 0, 0)),
        {"fine": ["given_split.kept"]},
    ),
    "a random split that leaks": (
        replace(QUIET, leak=LEAK, leaks=PAIRS[:1], group_kind="image", split_by="random", patients_known=False),
        {"alarm": ["leak.split", "random_split.much"]},
    ),
    "patients that the split ignores": (
        replace(QUIET, leak=LEAK, split_by="random", alike=PAIRS, memory_p=0.0025),
        {"alarm": ["leak.split", "random_split.much", "memory.gains"]},
    ),
    "leaks between patients": (
        replace(
            QUIET,
            leak=replace(LEAK, split={"fold0": 0.002}, random=Spread(0.1, 0.05, 0.2, 9)),
            duplicates=replace(QUIET.duplicates, lookalikes=Copies(1, 2, 0, 1, 1)),
            strangers=PAIRS[:1],
        ),
        {"note": ["leak.split", "random_split.some", "patients.alike"]},
    ),
    "little leaks": (
        replace(QUIET, leak=replace(LEAK, split={}, random=Spread(0.02, 0.0, 0.05, 9))),
        {"note": ["random_split.little"]},
    ),
    "a path without a split": (
        replace(QUIET, kind="path", leak=replace(LEAK, split={}), **CLUSTERS | {"split_by": None}),
        {"alarm": ["random_split.much"], "note": ["groups.clusters"]},
    ),
    "memory": (replace(QUIET, memory_p=0.0025), {"note": ["memory.gains"]}),
    "no grouped neighbour": (
        probed(QUIET, {("neighbour", "raw", "grouped"): NOTHING | {"reason": "few_groups", "lacks": "ill"}}),
        {"note": ["memory.untested", "cue.no_folds"]},
    ),
    "numbered names": (replace(QUIET, series=replace(SERIES, across=None)), {"note": ["names.numbered"]}),
    "numbered names across the split": (replace(QUIET, series=SERIES), {"alarm": ["names.across_split"]}),
    "a cue that is gone": (cue("raw"), {"note": ["cue.gone"]}),
    "a cue that is left": (cue("raw preprocessed"), {"alarm": ["cue.left"]}),
    "a cue whatever is set": (cue("raw preprocessed", crop="body"), {"alarm": ["cue.left"]}),
    "a cue of clusters of a path": (
        cue("raw preprocessed", kind="path", **CLUSTERS),
        {"alarm": ["cue.left"], "note": ["groups.clusters"]},
    ),
    "a cue that came in": (cue("preprocessed", "border"), {"alarm": ["cue.came_in"]}),
    "a cue that was added": (
        cue("preprocessed", "border", shortcut=Shortcut("corner_mark", 0.95, None)),
        {"alarm": ["cue.came_in"], "note": ["cue.added"]},
    ),
    "an added cue that is not found": (
        replace(QUIET, shortcut=Shortcut("my_cue", 0.6, "normal")),
        {"note": ["cue.added_not_found"]},
    ),
    "an interval above chance that no test confirms": (cue("raw", found=FOUND | {"p": 0.03}), {}),
    "below chance": (cue("preprocessed", "border", BELOW), {"fine": ["cue.no_evidence"]}),
    "a cue of labels": (cue("raw preprocessed", multilabel=True), {"alarm": ["cue.left"]}),
    "without the middle": (cue("preprocessed", "outside"), {"note": ["cue.outside"]}),
    "few groups": (probed(QUIET, FEW), {"note": ["memory.no_evidence", "cue.untested"]}),
    "one class": (replace(odd(1, 0), classes=("normal",)), {"note": ["nonsquare.one_class"]}),
    "odd shapes, not tested": (odd(1, 20, None), {"note": ["nonsquare.untested"]}),
    "odd shapes everywhere": (odd(58, 38, 0.8), {"note": ["nonsquare.even"]}),
    "odd shapes that are hidden": (odd(0, 20), {"note": ["nonsquare.no_evidence"]}),
    "odd shapes in few groups": (odd(0, 20, nonsquare_border={"high": 0.8}), {"note": ["nonsquare.too_few"]}),
    "odd shapes that are known": (odd(1, 20, nonsquare=FOUND), {"alarm": ["nonsquare.known"]}),
    "odd shapes that may be known": (
        odd(1, 20, nonsquare_outside=FOUND, nonsquare_border=BELOW),
        {"note": ["nonsquare.known"]},
    ),
    "odd shapes without numbers": (
        odd(1, 0, nonsquare_border=NOTHING, nonsquare_outside=NOTHING | {"reason": "few_groups", "lacks": "odd"}),
        {"note": ["nonsquare.unknown"]},
    ),
    "truth that is cut": (
        replace(QUIET, truth_lost=TruthLost(3, 1, 30, ("1.png", "2.png"))),
        {"alarm": ["truth.cut"]},
    ),
    "odd masks": (
        replace(QUIET, odd_masks=Masks(1, 2, 9, ("m1.png", "m2.png"))),
        {"alarm": ["masks.inverted", "masks.full"]},
    ),
    "seams": (replace(QUIET, seams=(probe("seams", "preprocessed", "grouped"),)), {"fine": ["seams.no_evidence"]}),
    "seams that tell": (
        replace(QUIET, seams=(replace(probe("seams", "preprocessed", "grouped"), **FOUND),)),
        {"alarm": ["seams.cue"]},
    ),
    "seams in few groups": (
        replace(QUIET, seams=(probe("seams", "preprocessed", "grouped", half=None, p=None, groups=9),)),
        {"note": ["seams.untested"]},
    ),
    "clusters that move": (
        replace(QUIET, sweep=STEPS, **CLUSTERS),
        {"note": ["groups.clusters", "clusters.move", "clusters.memory"]},
    ),
    "united patients": (
        replace(QUIET, sweep=STEPS[1:], group_kind="lookalike", duplicates=QUIET.duplicates),
        {"note": ["groups.united", "clusters.move", "clusters.memory"]},
    ),
    "clusters that stay": (
        replace(QUIET, sweep=(STEPS[1], step(0.99, clusters=95, neighbour=None)), **CLUSTERS),
        {"note": ["groups.clusters", "clusters.stay"]},
    ),
    "a bad file": (replace(QUIET, quarantined=(BadFile("a.png", "not an image"),)), {"note": ["files.left_out"]}),
}


def test_a_quiet_audit_has_no_alarm():
    stated = [(one.level, one.statement.kind) for one in findings(QUIET)]
    assert stated == [
        ("note", "memory.no_evidence"),
        *(("fine", kind) for kind in ("leak.none", "random_split.none", "cue.no_evidence", "copies.none")),
    ]


@pytest.mark.parametrize("case", CASES)
def test_what_is_stated(case):
    audit, expected = CASES[case]
    quiet = findings(QUIET)
    new = [one for one in findings(audit) if one not in quiet]
    # what a cue leaves for `cue.no_evidence` is the rest of the probes, and a neighbour may be as before
    stated = [(one.level, one.statement.kind) for one in new if one.statement.kind not in ("cue.no_evidence",)]
    wanted = [(level, kind) for level, kinds in expected.items() for kind in kinds if kind != "cue.no_evidence"]
    assert stated == wanted


def test_numbers_of_statements_are_those_of_the_audit():
    (left,) = [one.statement for one in findings(CASES["a cue that is left"][0]) if one.statement.kind == "cue.left"]
    assert [left.numbers[f"after{key}"] for key in ("", "_low", "_high", "_chance", "_p")] == [
        0.7,
        0.55,
        0.8,
        0.5,
        0.0125,
    ]
    assert left.subjects["settings"] == ("data.crop: body",) and left.subjects["look_at"] == ("a.png", "b.png")
    (split,) = [
        one.statement for one in findings(CASES["a random split that leaks"][0]) if "leak" in one.statement.kind
    ]
    assert (split.numbers["share_low"], split.numbers["share_high"]) == (0.02, 0.104)
    assert split.subjects == {"advice": ("keep_lookalikes",), "look_at": ("1.png", "2.png")}
    of_path = findings(CASES["a cue of clusters of a path"][0])[0].statement
    assert of_path.subjects["settings"] == ("--crop body",) and of_path.subjects["groups"] == ("clusters",)
    seen = findings(CASES["below chance"][0])
    assert [one.statement.subjects["below"] for one in seen if "below" in one.statement.subjects] == [("border",)]


def test_the_sentences_of_all_kinds():
    """To rewrite the file after an edit of `text/audit.py`: write `text` to it, and read the difference."""
    kinds, lines = set(), []
    for case, (audit, _) in {"nothing": (QUIET, {}), **CASES}.items():
        found = findings(audit)
        kinds |= {one.statement.kind for one in found}
        new = [one for one in found if case == "nothing" or one not in findings(QUIET)]
        lines += [f"# {case}", *(f"{one.level}: {sentence(one.statement)}" for one in new), ""]
    text = "\n".join(lines)
    assert kinds == set(TEMPLATES)
    assert text == GOLDEN.read_text(encoding="utf-8")


@pytest.mark.parametrize("case", CASES)
def test_audits_are_read_as_they_were_stored(case, tmp_path):
    audit = CASES[case][0]
    audit = replace(audit, findings=findings(audit))
    artifacts.write_json(tmp_path / "audit.json", audit.stored())
    assert read_audit(tmp_path / "audit.json") == audit


def test_an_audit_of_another_version_is_an_error(tmp_path):
    artifacts.write_json(tmp_path / "audit.json", {"sentences": []})
    with pytest.raises(ArtifactError, match="no audit of this version"):
        read_audit(tmp_path / "audit.json")


def test_the_summary_fits_a_terminal_and_has_the_tables():
    audit = replace(
        CASES["copies in different classes"][0],
        conflicts=(pair("x" * 100, "y/2.png", "bytes"),),
        alike=(pair("x/3.png", "x/4.png"),),
        sweep=(step(0.9, split=False, reason="too_many_pairs"), step(0.95, leak_random=0.25)),
        quarantined=tuple(BadFile(f"{n}.png", f"in: {n}.png: an empty file") for n in range(7)),
    )
    lines = summary(replace(audit, findings=(FINE, *findings(audit))), "somewhere").splitlines()
    assert max(map(len, lines)) <= WIDTH
    assert lines[:3] == ["Audit of somewhere", "100 images in 2 classes: normal 60, ill 40", "50 groups: patients"]
    assert "ok No identical files: 0 of 30 files." in lines
    for title in ("COPIES", "PAIRS ACROSS CLASSES, the 1 most alike of 4", "LEFT OUT", "and 2 more"):
        assert title in lines
    assert "the same file         3               6               1" in lines
    assert "neighbour, as it came    0.50 [0.45, 0.55]  0.50 [0.45, 0.55]" in lines
    assert [line.split() for line in lines if line.startswith("0.95*")] == [
        ["0.95*", "7", "95", "3", "25%", "0.50", "yes"]
    ]


def test_one_of_each_is_in_the_singular():
    audit = replace(QUIET, images=1, groups=1, **CLUSTERS)
    assert "\n1 group: clusters of look-alikes" in summary(audit, "x")
    assert "40 groups: whole patients" in summary(replace(QUIET, groups=40, group_kind="lookalike"), "x")
