"""Every method and metric has its reference, and the reference is the paper that the code names."""

import re
import unicodedata
from pathlib import Path

import pytest

from heatproof.registry import attributes
from heatproof.report import references

ROOT = Path(__file__).parents[2]
TABLES = {"explain": ("method", references.METHODS), "score": ("metric", references.METRICS)}
# (Arras et al. 2022), Selvaraju et al., ICCV 2017, Davis and Goadrich 2006, Abnar and Zuidema, ACL 2020, ...
PAPER = re.compile(r"([A-Z][\wäöüé]+)(?: et al\.|(?: and | & )[A-Z]\w+),? (?:[A-Z][\w ]+ |workshops )?(\d{4})\b")
ARXIV = re.compile(r"arXiv (\d{4}\.\d{5})")
REGISTERED = [(stage, name) for stage, (decorator, _) in TABLES.items() for name in attributes(stage, decorator)]


def plain(text: str) -> str:
    text = text.replace("ü", "ue").replace("ö", "oe")
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()


def named(doc: str) -> set[str]:
    """Keys of the papers that a docstring names: first author and year."""
    found = {f"{plain(author)}{year}" for author, year in PAPER.findall(doc)}
    known = {entry.fields["eprint"]: key for key, entry in references.entries().items() if "eprint" in entry.fields}
    return found | {known[number] for number in ARXIV.findall(doc)}


def cited(stage: str, name: str) -> tuple[str, ...]:
    return references.METHODS[name] if stage == "explain" else references.METRICS[name]


@pytest.mark.parametrize(("stage", "name"), REGISTERED)
def test_every_registered_name_has_a_line_and_cites_what_its_docstring_names(stage, name):
    doc = attributes(stage, TABLES[stage][0])[name]["doc"]
    assert named(doc) <= set(cited(stage, name)), doc
    assert set(cited(stage, name)) <= references.entries().keys()


def test_the_papers_of_docstrings_are_found_at_all():
    docs = {name: attributes(stage, TABLES[stage][0])[name]["doc"] for stage, name in REGISTERED}
    assert named(docs["gradcam"]) == {"selvaraju2017"}
    assert named(docs["srg"]) == {"bluecher2024"}
    assert named(docs["faithfulness_logit"]) == {"panboonyuen2026"}
    assert sum(bool(named(doc)) for doc in docs.values()) > 30


def test_tables_name_what_is_registered_and_no_more():
    for stage, (decorator, table) in TABLES.items():
        assert set(table) == set(attributes(stage, decorator))


def test_metrics_cite_what_their_row_in_the_docs_names():
    text = (ROOT / "docs/metrics.md").read_text(encoding="utf-8")
    for name, keys in references.METRICS.items():
        rows = [row for row in text.splitlines() if re.match(rf"\| .*`{name}`", row) and "AUROC" not in row]
        for paper in set().union(*(named(row) for row in rows[:1])):
            assert any(key.startswith(paper) for key in keys), f"{name}: docs/metrics.md names {paper}"


def test_entries_are_whole_and_without_made_up_pages():
    for entry in references.entries().values():
        assert {"author", "title", "year"} <= entry.fields.keys(), entry.key
        assert "pages" not in entry.fields
        assert entry.source.count("{") == entry.source.count("}")
        kind = re.match(r"@(\w+)", entry.source)[1]
        assert kind == "misc" or {"article": "journal", "inproceedings": "booktitle"}[kind] in entry.fields, entry.key
        assert entry.key == "heatproof" or entry.key.startswith(
            plain(entry.fields["author"].partition(",")[0]).replace(" ", "") + entry.fields["year"]
        ), "a key is the first author and the year"


def test_numbers_follow_the_text_and_the_bibtex_follows_them():
    text = f"A{references.cite(['holm1979', 'wang2004'])}, B{references.cite(['wang2004'])}, C{references.cite([])}."
    done, keys = references.numbered(text)
    assert done == "A [1, 2], B [2], C."
    assert keys == ["holm1979", "wang2004"]
    assert references.listed(keys).startswith("1. Holm S. A Simple Sequentially Rejective")
    assert re.findall(r"^@\w+{(\w+),", references.bibtex(keys), re.M) == keys
    with pytest.raises(KeyError, match="nobody1900"):
        references.numbered(references.cite(["nobody1900"]))


def test_authors_are_shortened_and_variants_go_by_their_metric():
    def line(key: str) -> str:
        return references.written(references.entries()[key])

    assert line("jiang2021").startswith("Jiang P-T, Zhang C-B, Hou Q, et al. LayerCAM: ")
    assert line("bluecher2024").startswith("Blücher S, Vielhaben J, Strodthoff N. ")
    assert line("saporta2022").endswith("2022. doi:10.1038/s42256-022-00536-x.")
    assert references.metric("srg_zero") == references.metric("srg") == ("bluecher2024",)
    assert references.metric("iou_area") == () and references.metric("of_nobody") == ()
    assert references.architecture("resnet50.a1_in1k") == ("he2016",) and references.architecture("test_vit") == ()
