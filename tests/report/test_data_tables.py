"""Tables of the data section state what the audit counted, and why something has no number."""

from dataclasses import replace

from report.audits import probe, step

from heatproof.data.audit.results import Step
from heatproof.report.sections import data as data_section
from heatproof.report.sections import data_tables
from heatproof.text.audit import because


def test_sweep_leaves_out_clusters_by_class_where_there_are_many(bad):
    assert len(data_tables.sweep(replace(bad.audit, counts=dict.fromkeys("abcdef", 1))).head) == 8


def test_a_threshold_with_too_many_pairs_says_so(data):
    row = Step(0.8, reason="too_many_pairs")
    audit = replace(data.audit, sweep=(row, step(0.95)), counts={"a": 1})
    assert data_tables.sweep(audit).rows[0] == ["0.8", *["–"] * 6, "too many pairs", "–"]
    assert "clusters of look-alikes: – at 0.8, 95 at 0.95" in data_section.sweep_figure(audit).svg


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
        "random split, original",
        "random split, preprocessed",
        "grouped split, original",
        "chance",
    ]
    assert listed.rows == [
        [
            "Image facts",
            "0.88 [0.81, 0.94]",
            because("few_groups", "a"),
            "0.75",
            "0.50",
        ],
        ["My own", "0.25 [0.12, 0.38]", "–", "–", "0.25"],
    ]
