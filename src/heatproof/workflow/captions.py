"""How `snakemake --report` presents the files of a study."""

from pathlib import Path

TABLES = ("models", "metrics", "pairs", "controls", "claims")  # that have a caption


def caption(path: Path) -> dict | None:
    """Return the arguments of Snakemake's `report` for a table, a figure or the page; None of what is not shown."""
    if path.suffix == ".csv" and path.stem in TABLES:
        name, part, label = path.stem, "tables", path.name
    elif path.suffix == ".svg":
        name = "accuracy" if path.stem == "accuracy" else "ranks" if path.stem.endswith("_ranks") else "family"
        part, label = "figures", path.stem.replace("_ranks", ": mean ranks")
    elif path.suffix == ".html":
        name, part, label = "page", "report", "the whole report"
    else:
        return None
    found = {"caption": f"captions/{name}.rst", "category": "{study}", "subcategory": part}
    return found | {"labels": {part: label}}
