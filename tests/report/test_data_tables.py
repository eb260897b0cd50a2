"""Tables of the data section state what the audit counted, and why something has no number."""

from dataclasses import replace

from report import audits
from report.audits import probe, step
from report.pages import table

from heatproof.data.audit.results import Step
from heatproof.report.sections import data as data_section
from heatproof.report.sections import data_tables
from heatproof.text.audit import because


def test_images_not_square_and_plants_have_probes_of_their_own(bad):
    rows = {row[0]: row[1:] for row in data_tables.probes(bad.audit).rows}
    assert rows["What was not square"] == ["–", "–", "1.00 [1.00, 1.00]", "no margin is left", "0.50"]
    for more in ("outer edge", "middle blanked out"):
        assert rows[f"What was not square, {more}"] == ["–", "–", "–", "0.50 [0.38, 0.62]", "0.50"]
    assert rows["Seams of plants"] == ["–", "–", "–", "0.50 [0.44, 0.56]", "0.50"]
    assert rows["Seams, weighed"] == ["–", "–", "–", "0.62 [0.50, 0.75]", "0.50"]
    svg = data_section.probe_figure(bad.audit).svg
    assert "Seams of plants: grouped, as models see them 0.50 [0.44, 0.56]" in svg


def test_sweep_leaves_out_clusters_by_class_where_there_are_many(bad):
    assert len(data_tables.sweep(replace(bad.audit, counts=dict.fromkeys("abcdef", 1))).head) == 8


def test_a_threshold_with_too_many_pairs_says_so(data):
    row = Step(0.8, reason="too_many_pairs")
    audit = replace(data.audit, sweep=(row, step(0.95)), counts={"a": 1})
    assert data_tables.sweep(audit).rows[0] == ["0.8", *["–"] * 6, "too many pairs", "–"]
    assert "clusters of look-alikes: – at 0.8, 95 at 0.95" in data_section.sweep_figure(audit).svg


def test_images_by_split_with_all_below(data):
    found = data_tables.images(data)
    assert found.head == ["split", "images", "patients", *data.classes]
    assert found.rows == [
        ["train", "8", "4", "4", "2", "2"],
        ["val", "4", "2", "2", "2", "0"],
        ["test", "18", "9", "6", "6", "6"],
        ["all", "30", "15", "12", "10", "8"],
    ]


def test_copies_are_counted_and_what_was_not_counted_is_a_dash(bad):
    found = data_tables.copies(bad.audit)
    assert found.head == ["what", "pairs", "images in them", "pairs across classes", "pairs across splits"]
    assert found.rows == [
        ["the same file, byte for byte", "2", "4", "1", "–"],
        ["the same picture, pixel by pixel", "3", "6", "1", "–"],
        ["look-alikes (similarity 0.95 or more)", "1,234", "27", "12", "5"],
    ]


def test_pairs_across_patients_are_counted_where_there_are_patients(bad):
    found = data_tables.copies(replace(bad.audit, group_kind="patient"))
    assert found.head[4] == "pairs across patients" and [row[4] for row in found.rows] == ["–", "–", "7"]


def test_probes_in_numbers_and_why_one_has_none(data):
    found = [
        probe("facts", "raw", "random", 0.875, 0.0625),
        probe("facts", "raw", "grouped", 0.75, None),
        probe("facts", "preprocessed", "random", None, reason="few_groups", lacks="a"),
        probe("my_own", "raw", "random", 0.25, 0.125, chance=0.25),
    ]
    made_up = replace(data.audit, probes=tuple(found))
    listed = data_tables.probes(made_up)
    assert listed.head == [
        "classifier",
        "random, as they came",
        "random, as models see them",
        "grouped, as they came",
        "guessing",
    ]
    assert listed.rows == [
        [
            "Facts of the file",
            "0.88 [0.81, 0.94]",
            because("few_groups", "a"),
            "0.75",
            "0.50",
        ],
        ["My own", "0.25 [0.12, 0.38]", "–", "–", "0.25"],
    ]


def test_sweep_marks_the_threshold_in_use(bad):
    found = data_tables.sweep(replace(bad.audit, counts={"a": 1, "b": 2}))
    assert found.head[:6] == [
        "similarity",
        "pairs",
        "clusters",
        "images in the largest",
        "clusters of a",
        "clusters of b",
    ]
    assert found.rows == [
        ["0.9", "7", "90", "15", "–", "–", "25%", "–", "no", "30%"],
        ["0.95 (in use)", "7", "95", "3", "–", "–", "25%", "0.50", "yes", "2%"],
        ["0.99", "7", "99", "3", "–", "–", "25%", "0.50", "yes", "2%"],
    ]
    svg = data_section.sweep_figure(bad.audit).svg
    assert "share in the largest: 0.50 at 0.9, 0.10 at 0.95, 0.10 at 0.99" in svg
    assert "nearest thumbnail, grouped: – at 0.9, 0.50 at 0.95" in svg


def test_files_that_could_not_be_used_are_listed(made, report):
    source = report(made(alarming=True))
    assert "<summary>Files that could not be used (1)</summary>" in source
    assert table(source, "Files that could not be used")[1:] == [[audits.CUTE, "truncated; get it again"]]
