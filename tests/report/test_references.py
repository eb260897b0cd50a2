"""Every method and metric has its reference, and the reference is the paper that the code names."""

import importlib
import inspect
import re
import unicodedata

import pytest

from heatproof.catalogue.methods import METHODS
from heatproof.catalogue.metrics import METRICS
from heatproof.report.paper import methods

ENTRIES = METRICS | METHODS
# (Arras et al. 2022), Selvaraju et al., ICCV 2017, Davis and Goadrich 2006, Abnar and Zuidema, ACL 2020, ...
PAPER = re.compile(r"([A-Z][\wäöüé]+)(?: et al\.|(?: and | & )[A-Z]\w+),? (?:[A-Z][\w ]+ |workshops )?(\d{4})\b")
ARXIV = re.compile(r"arXiv (\d{4}\.\d{5})")


def plain(text: str) -> str:
    text = text.replace("ü", "ue").replace("ö", "oe")
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()


def named(doc: str) -> set[str]:
    """Keys of the papers that a docstring names: first author and year."""
    found = {f"{plain(author)}{year}" for author, year in PAPER.findall(doc)}
    known = {entry.fields["eprint"]: key for key, entry in methods.entries().items() if "eprint" in entry.fields}
    return found | {known[number] for number in ARXIV.findall(doc)}


def doc(name: str) -> str:
    """The first paragraph of the docstring of a metric's or method's function."""
    module = importlib.import_module(ENTRIES[name].path)
    text = inspect.getdoc((module.METHODS if name in METHODS else module.METRICS)[name])
    return " ".join(text.split("\n\n")[0].split())


@pytest.mark.parametrize("name", ENTRIES)
def test_an_entry_cites_what_its_docstring_and_its_row_in_the_docs_name(name):
    entry = ENTRIES[name]
    assert named(doc(name)) <= set(entry.cite) <= methods.entries().keys(), doc(name)
    for paper in named(entry.source):
        assert any(key.startswith(paper) for key in entry.cite), f"{name}: the docs name {paper}"


def test_the_papers_of_docstrings_are_found_at_all():
    assert named(doc("gradcam")) == {"selvaraju2017"}
    assert named(doc("srg")) == {"bluecher2024"}
    assert named(doc("faithfulness_logit")) == {"panboonyuen2026"}
    assert sum(bool(named(doc(name))) for name in ENTRIES) > 30


def test_entries_are_whole_and_without_made_up_pages():
    for entry in methods.entries().values():
        assert {"author", "title", "year"} <= entry.fields.keys(), entry.key
        assert "pages" not in entry.fields
        assert entry.source.count("{") == entry.source.count("}")
        kind = re.match(r"@(\w+)", entry.source)[1]
        assert kind == "misc" or {"article": "journal", "inproceedings": "booktitle"}[kind] in entry.fields, entry.key
        assert entry.key == "heatproof" or entry.key.startswith(
            plain(entry.fields["author"].partition(",")[0]).replace(" ", "") + entry.fields["year"]
        ), "a key is the first author and the year"


def test_numbers_follow_the_text_and_the_bibtex_follows_them():
    text = f"A{methods.cite(['holm1979', 'wang2004'])}, B{methods.cite(['wang2004'])}, C{methods.cite([])}."
    done, keys = methods.numbered(text)
    assert done == "A [1, 2], B [2], C."
    assert keys == ["holm1979", "wang2004"]
    assert methods.listed(keys).startswith("1. Holm S. A Simple Sequentially Rejective")
    assert re.findall(r"^@\w+{(\w+),", methods.bibtex(keys), re.M) == keys
    with pytest.raises(KeyError, match="nobody1900"):
        methods.numbered(methods.cite(["nobody1900"]))


def test_authors_are_shortened():
    def line(key: str) -> str:
        return methods.written(methods.entries()[key])

    assert line("jiang2021").startswith("Jiang P-T, Zhang C-B, Hou Q, et al. LayerCAM: ")
    assert line("bluecher2024").startswith("Blücher S, Vielhaben J, Strodthoff N. ")
    assert line("saporta2022").endswith("2022. doi:10.1038/s42256-022-00536-x.")
    assert methods.architecture("resnet50.a1_in1k") == ("he2016",) and methods.architecture("test_vit") == ()
