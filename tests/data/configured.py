"""The section `data` of a study, as its rule hands it to the job."""

import json

from shipped import checked

from heatproof.config.data import Data
from heatproof.config.load import section
from heatproof.config.study import merge

SMALL = {"size": 64, "split": {"tolerance": 0.3}}  # shares of .6, .2 and .2 are far enough apart


def data_config(task: str = "multiclass", **data) -> dict:
    """Return the section with what is given set, and the task if it is multilabel."""
    found = checked(Data, "data", **merge(SMALL, data))
    resolved = {"group_kind": found.group_kind, "class_names": found.class_names}
    return json.loads(section(found, resolved | ({"task": task} if task == "multilabel" else {})))
