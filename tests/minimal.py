"""The smallest results of a study, and of its stages, to which a test adds what it is about."""

import numpy as np
import pandas as pd

from heatproof.core.statements import Statement
from heatproof.stats.results import Groups, Seeds, StudyResults
from heatproof.store import artifacts

NONE = {"images_test": 0, "groups_test": 0, "groups": Groups("patient"), "seeds": Seeds(1, 1), "models": {}}
NONE |= {"alpha": 0.05, "interval": 0.95, "test": "friedman", "power": 0.8, "families": {}, "methods": ("gradcam",)}


def results(study: str = "made", **found) -> StudyResults:
    """Return results of which nothing can be told but what is given."""
    return StudyResults(**{"study": study, "in_short": Statement("short.unknown")} | NONE | found)


def write_facts(manifest: pd.DataFrame, study: str, **more) -> None:
    """Write what the job `data` leaves beside the manifest, as of images that are all alike."""
    facts = manifest[["image_id"]].assign(mode="L", format="PNG", quality=np.nan, bytes=1, truth_kept=np.nan, cue=False)
    facts = facts.assign(**dict.fromkeys(("top", "bottom", "left", "right", "same_pixels"), 0) | more)
    artifacts.write_table(artifacts.data_dir(study) / "facts.parquet", facts, artifacts.FACTS)
