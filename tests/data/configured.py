"""The section `data` of a study, as its rule hands it to the job."""

import json

from heatproof.config import section
from heatproof.schema_data import Data


def data_config(**data) -> dict:
    """The section with what is given set; shares of .6, .2 and .2, far enough for a handful of groups."""
    data["split"] = {"tolerance": 0.3} | data.get("split", {})
    checked = Data.model_validate(data)
    return json.loads(section(checked, {"group_kind": checked.group_kind, "class_names": checked.class_names}))
