"""The section `data` of a study, as its rule hands it to the job."""

import json

from heatproof.config import section
from heatproof.schema_data import Data


def data_config(task: str = "multiclass", **data) -> dict:
    """The section with what is given set, and the task if it is multilabel; shares of .6, .2 and .2, far enough."""
    data["split"] = {"tolerance": 0.3} | data.get("split", {})
    checked = Data.model_validate(data)
    resolved = {"group_kind": checked.group_kind, "class_names": checked.class_names}
    return json.loads(section(checked, resolved | ({"task": task} if task == "multilabel" else {})))
