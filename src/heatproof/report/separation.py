"""Which metrics were shown to tell the truth from noise, on images whose truth is known: a table of facts."""

from pathlib import Path

import pandas as pd

from heatproof import artifacts
from heatproof.catalogue.families import FAMILIES

PATH = Path(__file__).with_name("separation.csv")
SCHEMA = {
    "metric": artifacts.TEXT,
    "against": artifacts.TEXT,
    "auroc": artifacts.NUMBER,
    "low": artifacts.NUMBER,
    "high": artifacts.NUMBER,
    "images": artifacts.INTEGER,
}
MARK = "†"
MEANING = (
    "a metric that was not shown to tell the true region from a random map on made-up images whose truth is known: "
    "what it says here is no evidence"
)


def read() -> pd.DataFrame | None:
    """The table that comes with the package, or None where there is none.

    Raises:
        ArtifactError: it is not of its format.
    """
    return artifacts.parse_table(PATH, SCHEMA) if PATH.exists() else None


def doubtful(table: pd.DataFrame | None, family: str, metric: str) -> bool:
    """Whether a metric that scores a given map has not been shown to tell truth from random.

    It has, if the interval of the AUROC of truth against random lies above one half.
    """
    if table is None or not (family in FAMILIES and FAMILIES[family].rates_maps):
        return False
    rows = table[(table["metric"] == metric) & (table["against"] == "random")]
    return not (rows["low"] > 0.5).any()
