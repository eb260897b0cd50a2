"""Write the tables of docs/metrics.md and docs/methods.md: `python -m tools.catalogue_docs` in the project folder.

A page names the families of metrics, or the modules of methods, of each table: `<!-- table: cam -->`, `<!-- end -->`.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from heatproof.catalogue.methods import METHODS, Method, options
from heatproof.catalogue.metrics import METRICS, Metric

PAGES = ("docs/metrics.md", "docs/methods.md")
TABLE = re.compile(r"(<!-- table: ([\w ]+) -->\n).*?(<!-- end -->)", re.S)


def updated(text: str) -> str:
    """Return a page with its tables as the catalogue has them."""
    return TABLE.sub(lambda found: f"{found[1]}{table(found[2].split())}{found[3]}", text)


def table(parts: Sequence[str]) -> str:
    """Return the metrics of some families, or the methods of some modules, as a table in Markdown.

    Entries that differ by their name alone share a row. A column that says nothing is left out.
    """
    rows: dict[tuple[str, ...], list[str]] = {}
    metrics = [metric for metric in METRICS.values() if metric.family in parts]
    cells = [*map(_metric, metrics), *(_method(method) for method in METHODS.values() if method.module in parts)]
    for (_, name), *rest in (row.items() for row in cells):
        rows.setdefault(tuple(cell.replace("|", "\\|") for _, cell in rest), []).append(f"`{name}`")
    columns = [list(cells[0]), *([", ".join(names), *rest] for rest, names in rows.items())]
    kept = [i for i in range(len(columns[0])) if {row[i] for row in columns[1:]} - {"", "yes"}]
    lines = [[row[i] for i in kept] for row in columns]
    lines.insert(1, ["---"] * len(kept))
    return "".join(f"| {' | '.join(line)} |\n".replace("|  |", "| |") for line in lines)


def _metric(metric: Metric) -> dict[str, str]:
    columns = ("formula", "range", "better", "cost", "source", "notes")
    return {"metric": metric.name} | {name: getattr(metric, name) for name in columns}


def _method(method: Method) -> dict[str, str]:
    told = [f"`{key}: {value}` {method.remarks.get(key, '')}".strip() for key, value in options(method.name).items()]
    return {
        "method": method.name,
        "source": method.source,
        "map": method.map,
        "sign": method.sign,
        "class-dependent": "no" if method.classless else "yes",
        "options": ", ".join(told),
        "cost an image": method.cost,
    }


def main() -> None:
    """Write the tables."""
    for path in map(Path, PAGES):
        path.write_text(updated(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
