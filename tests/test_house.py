"""How the package is built: imports run one way, and a reader finds each thing in one place."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "src/heatproof"
# each folder imports from those before it, and from itself
LAYERS = (
    "catalogue", "core", "text", "store", "data", "train", "config", "explain", "score", "stats", "report", "profiles",
    "cli", "workflow", "commands", "__main__",
)  # fmt: skip


def name_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(source: str, modules: set[str]) -> set[str]:
    """The modules of `modules` that a source imports, in functions too."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found & modules


def upward(graph: dict[str, set[str]]) -> list[str]:
    """Imports from a folder that comes later in `LAYERS`."""
    place = {f"heatproof.{layer}": number for number, layer in enumerate(LAYERS)}

    def layer(module: str) -> int:
        return place[".".join(module.split(".")[:2])]

    return [f"{a} imports {b}" for a, others in graph.items() for b in others if layer(a) < layer(b)]


@pytest.fixture(scope="module")
def graph() -> dict[str, set[str]]:
    paths = {name_of(path): path for path in PACKAGE.rglob("*.py")}
    paths.pop("heatproof")
    return {name: imported(path.read_text(), {*paths} - {name}) for name, path in paths.items()}


def test_imports_make_no_circle(graph):
    assert len(list(TopologicalSorter(graph).static_order())) == len(graph)  # raises CycleError


def test_no_folder_imports_one_above_it(graph):
    assert upward(graph) == []


def test_an_upward_import_is_seen(graph):
    added = {"heatproof.core.draws": {"heatproof.report.page"}}
    assert upward(graph | added) == ["heatproof.core.draws imports heatproof.report.page"]


def test_there_are_few_files_and_no_crowded_folder():
    paths = list(PACKAGE.rglob("*.py"))
    assert len(paths) <= 190
    folders = {path.parent for path in paths}
    crowded = {folder: count for folder in folders if (count := len(list(folder.glob("*.py")))) > 20}
    assert not crowded and len(list(PACKAGE.glob("*.py"))) <= 8


def test_what_scores_and_tests_does_not_know_the_configuration(graph):
    """Jobs get their sections as arguments, so that an edit of the schema runs nothing again."""
    jobs = ("data", "train", "explain", "score", "stats", "report", "profiles")
    for name, others in graph.items():
        if name.split(".")[1] in jobs:
            assert not {other for other in others if other.startswith("heatproof.config")}, name
