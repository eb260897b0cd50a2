"""How heatproof is cited: the file says of itself what the package and the references say."""

import re
import tomllib
from pathlib import Path

import yaml

from heatproof.report.paper import methods
from heatproof.report.paper.methods import entries

ROOT = Path(__file__).parents[1]
CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
KEYS = {  # what schema 1.2.0 of the Citation File Format knows, of what is used here
    "cff-version": str,
    "message": str,
    "type": str,
    "title": str,
    "abstract": str,
    "authors": list,
    "version": str,
    "license": str,
    "keywords": list,
    "references": list,
}


def test_it_is_a_citation_file_with_all_that_the_format_requires():
    assert {key: type(value) for key, value in CITATION.items()} == KEYS
    assert CITATION["cff-version"] == "1.2.0" and CITATION["type"] in ("software", "dataset")
    assert CITATION["authors"] == [{"name": "The heatproof developers"}]
    for reference in CITATION["references"]:
        assert {"type", "title", "authors"} <= reference.keys(), "the format requires these three of a reference"
        assert all(author.keys() == {"family-names", "given-names"} for author in reference["authors"])


def test_version_and_licence_are_those_of_the_package():
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert CITATION["version"] == pyproject["tool"]["hatch"]["version"]["raw-options"]["fallback_version"]
    assert CITATION["license"] == pyproject["project"]["license"]
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.M)
    assert newest[1] == CITATION["version"]


def test_a_paper_cites_the_release_and_not_the_commit(monkeypatch):
    monkeypatch.setattr(methods, "version", lambda package: "1.2.3.post1.dev45" if package == "heatproof" else "6.7.8")
    text = methods.software()
    assert text.startswith("The study was run by heatproof 1.2.3 [@heatproof]") and "timm 6.7.8 " in text


def test_the_papers_are_those_of_the_references():
    known = {
        f"arXiv:{entry.fields['eprint']}": entry.fields for entry in entries().values() if "eprint" in entry.fields
    }
    for reference in CITATION["references"]:
        fields = known[reference["identifiers"][0]["value"]]
        named = [f"{author['family-names']}, {author['given-names']}" for author in reference["authors"]]
        assert (reference["title"], reference["year"]) == (fields["title"], int(fields["year"]))
        assert named == fields["author"].split(" and ")
        assert reference["url"] == f"https://arxiv.org/abs/{fields['eprint']}"
