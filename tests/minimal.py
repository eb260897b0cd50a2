"""The smallest results of a study, to which a test adds what it is about."""

from heatproof.core.statements import Statement
from heatproof.stats.results import Groups, Seeds, StudyResults

NONE = {"images_test": 0, "groups_test": 0, "groups": Groups("patient"), "seeds": Seeds(1, 1), "models": {}}
NONE |= {"alpha": 0.05, "interval": 0.95, "test": "friedman", "power": 0.8, "families": {}, "methods": ("gradcam",)}


def results(study: str = "made", **found) -> StudyResults:
    """Return results of which nothing can be told but what is given."""
    return StudyResults(**{"study": study, "in_short": Statement("short.unknown")} | NONE | found)
