"""The scores of a study, read from the files that the jobs before left."""

from collections.abc import Collection, Sequence
from itertools import product

import pandas as pd

from heatproof import artifacts
from heatproof.catalogue.families import FAMILIES


def read_scores(
    study: str,
    models: Sequence[str],
    seeds: Sequence[int],
    folds: Sequence[str],
    families: Sequence[str],
    ensembles: Collection[str] = (),
) -> pd.DataFrame:
    """Read all scores of a study, with a column `family`; each file is checked for what would spoil a mean.

    Those of several labels an image have a column `label`: which of its labels a score is of.

    Raises:
        ArtifactError: a file is missing, damaged, or scores an image twice or another model's.
    """
    tables = []
    for family in families:
        for model, seed in product(models, [None] if FAMILIES[family].across_seeds else seeds):
            if model in ensembles and FAMILIES[family].needs_variants:
                continue
            parts = []
            for fold in folds:
                path = artifacts.Checkpoint(study, model, seed, fold).scores(family)
                parts.append(artifacts.read_table(path, artifacts.SCORES).assign(family=family))
                table = pd.concat(parts)
                keys = [key for key in ("image_id", "label", "method", "metric") if key in table]
                if table.duplicated(keys).any():
                    raise artifacts.ArtifactError(f"{path}: an image is scored twice; delete the file and run again")
                if set(table["model"]) - {model} or (table["value"].isna() != (table["reason"] != "")).any():
                    raise artifacts.ArtifactError(
                        f"{path}: another model's scores, or a score without both value and reason; "
                        f"delete the file and run again"
                    )
            tables += parts
    return pd.concat(tables, ignore_index=True)
