"""A metric that was not shown to tell truth from noise carries a mark wherever its name stands."""

from dataclasses import replace

import pandas as pd
import pytest
from report.pages import Page, section

from heatproof.report import inputs, page
from heatproof.store import artifacts

CONFIG = {"title": None, "question": "?", "gallery": 2, "images": 12}


def facts(**low):
    rows = [(metric, "random", bound + 0.1, bound, bound + 0.2, 50) for metric, bound in low.items()]
    return pd.DataFrame([*rows, ("iou", "shifted", 0.9, 0.8, 1.0, 50)], columns=list(inputs.SCHEMA))


@pytest.mark.parametrize(
    ("table", "family", "metric", "doubtful"),
    [
        (facts(srg=0.51), "faithfulness", "srg", False),
        (facts(srg=0.5), "faithfulness", "srg", True),  # the interval has to lie above one half
        (facts(), "localization", "iou", True),  # no row against random
        (facts(), "consistency", "iou_seeds", False),  # it takes no given map
        (None, "faithfulness", "srg", False),  # nothing is known
        (facts(srg=float("nan")), "faithfulness", "srg", True),
    ],
)
def test_doubtful(table, family, metric, doubtful):
    assert inputs.doubtful(table, family, metric) == doubtful


@pytest.mark.slow
def test_marked_in_sentences_figures_tables_and_explained(data):
    told = facts(relevance_rank_accuracy=0.4, iou=0.9, srg=0.9, deletion_auc=0.3)
    source = page.render(replace(data, separation=told), CONFIG, {})
    header = Page(source[: source.index("</header>")]).text
    assert "relevance rank accuracy†" in header and "† marks a metric that was not shown to separate" in header
    local, faithful = section(source, "localization"), section(source, "faithfulness")
    assert "relevance rank accuracy† (higher is better)" in local  # the axis of the figure
    assert "Friedman's test of relevance rank accuracy† across" in local.replace("&#39;", "'")
    assert "<figcaption>Relevance rank accuracy†</figcaption>" in local
    assert "Overlap (IoU) (" in local and "Deletion area† (lower is better)" in faithful
    assert "†" not in section(source, "consistency") and "gain†" not in faithful
    assert "was not shown to separate" in section(source, "reading")
    for name in ("elevance rank accuracy", "eletion area"):
        shown = Page(source).text
        assert shown.count(name) == shown.count(f"{name}†")


@pytest.mark.slow
def test_no_mark_where_all_is_well_or_nothing_known(data):
    every = facts(relevance_rank_accuracy=0.9, iou=0.9, srg=0.9, deletion_auc=0.9)
    for table in (every, None):
        assert "†" not in page.render(replace(data, separation=table), CONFIG, {})


def test_the_table_is_read_from_beside_the_module_and_checked(monkeypatch, tmp_path):
    monkeypatch.setattr(inputs, "PATH", tmp_path / "separation.csv")
    assert inputs.read_separation() is None
    artifacts.write_table(inputs.PATH, facts(srg=0.6), inputs.SCHEMA)
    pd.testing.assert_frame_equal(inputs.read_separation(), facts(srg=0.6), check_dtype=False)
    inputs.PATH.write_text("metric,against\nsrg,random\n")
    with pytest.raises(artifacts.ArtifactError, match=r"separation\.csv: no column auroc"):
        inputs.read_separation()
