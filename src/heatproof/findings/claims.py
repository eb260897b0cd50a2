"""The claims of others, study by study."""

import math

import pandas as pd

from heatproof.findings.results import Results
from heatproof.report import words
from heatproof.stats_tables import CLAIMS

TABLE = {"study": "str", **CLAIMS}


def collect(main: list[Results], others: list[Results]) -> pd.DataFrame:
    """Rows of `claims.csv` with the study's name, claim by claim; of `others` the claims alone that no `main` has."""
    parts = [found.table("claims").assign(study=found.study) for found in main if found.there]
    known = {name for part in parts for name in part["name"]}
    for found in others:
        if found.there:
            table = found.table("claims").assign(study=found.study)
            parts.append(table[~table["name"].isin(known)])
    if not parts:
        return pd.DataFrame(columns=list(TABLE))
    together = pd.concat(parts, ignore_index=True)[list(TABLE)]
    order = {name: i for i, name in enumerate(dict.fromkeys(together["name"]))}
    return together.sort_values("name", key=lambda names: names.map(order), kind="stable", ignore_index=True)


def rows(table: pd.DataFrame) -> list[dict]:
    """What the text says of each row of `collect`."""
    return [
        {
            **{key: row[key] for key in ("study", "name", "claim", "family", "verdict", "evidence", "change")},
            "effect": _effect(row),
            "p": words.p_value(row["p"]),
            "groups": "–" if pd.isna(row["groups"]) else int(row["groups"]),
            "seeds": "–" if pd.isna(row["seeds"]) else int(row["seeds"]),
        }
        for _, row in table.iterrows()
    ]


def _effect(row: pd.Series) -> str:
    values = [float(row[key]) for key in ("effect", "low", "high")]
    return words.interval(*values) if math.isfinite(values[0]) else "–"
