"""The tables of the docs are those of the catalogue."""

from pathlib import Path

import pytest

from heatproof.catalogue.methods import METHODS
from heatproof.catalogue.metrics import METRICS
from tools import catalogue_docs as docs

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("page", docs.PAGES)
def test_tables_are_as_they_would_be_written(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    assert docs.updated(text) == text, "run `python -m tools.catalogue_docs`"


def test_every_metric_and_method_has_a_row():
    for page, entries in zip(docs.PAGES, (METRICS, METHODS), strict=True):
        text = (ROOT / page).read_text(encoding="utf-8")
        tables = "".join(found[0] for found in docs.TABLE.finditer(text))
        assert not [name for name in entries if f"`{name}`" not in tables]


def test_what_says_nothing_is_left_out_and_equal_rows_are_one():
    lines = docs.table(["sanity"]).splitlines()
    assert lines[0] == "| metric | formula | range | better | cost | source | notes |" and len(lines) == 2 + 4
    assert lines[2].startswith("| `ssim_cascade`, `rank_correlation_cascade` | mean over depths k")
    assert docs.table(["agreement"]).startswith("| metric | formula | range | better |\n| --- | --- | --- | --- |\n")
    assert "| `smoothgrad` |" in docs.table(["gradients"]) and "of the image's range" in docs.table(["gradients"])


def test_what_is_no_table_stays():
    text = "before\n<!-- table: perturbation -->\nold\n<!-- end -->\nafter <!-- separation -->\n| a |\n<!-- end -->\n"
    assert docs.updated(text) == text.replace("old\n", docs.table(["perturbation"]))
