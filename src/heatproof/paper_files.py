"""What a study leaves for a paper, below `results/report/<study>/`: the names, for the rule and for the code alike.

Outputs of a rule cannot depend on the study, so every study has all of them. Where there is nothing to draw, the file
says so.
"""

from pathlib import Path

from heatproof import artifacts
from heatproof.catalogue.families import families_with

FIGURES = (
    "accuracy",
    *families_with("judged"),
    *(f"{family}_ranks" for family in families_with("judged")),
)
TABLES = ("models", "scores", "pairs", "claims")  # LaTeX; their CSV twins lie in results/stats/<study>/
TEXTS = ("methods.md", "references.bib")
PROVENANCE = ("provenance.json", "changes.diff")  # of the report; the only ones that differ between two equal runs
NAMES = (
    *(f"{figure}.{kind}" for figure in FIGURES for kind in ("svg", "png")),
    *(f"{table}.tex" for table in TABLES),
    *TEXTS,
)


def folder(study: str) -> Path:
    return artifacts.RESULTS / "report" / study


def paths(study: str) -> list[Path]:
    """Every file; `{study}` as the name makes the patterns of the rule's outputs."""
    return [folder(study) / name for name in NAMES]


def provenance(study: str) -> list[Path]:
    """Where the report comes from, for machines, and what its code had that its commit has not."""
    return [folder(study) / name for name in PROVENANCE]
