"""Agreement of one checkpoint's heatmaps, method with method."""

from collections.abc import Iterable

import numpy as np
import pandas as pd
import torch

from heatproof.catalogue.reasons import ONE_METHOD
from heatproof.score import heatmaps
from heatproof.score.heatmaps import Heatmaps
from heatproof.score.jobs.common import Scoring, heatmaps_of
from heatproof.score.metrics.consistency import METRICS

ALONE = ONE_METHOD.code
METHODS = ("rank_correlation_methods", "iou_methods")


def run(job: Scoring) -> None:
    torch.set_num_threads(job.compute["threads"])
    source = heatmaps_of(job.checkpoint)
    with job.writing(source) as write:
        for _, chunk in job.parts(source.chunks()):
            found = rows(source, chunk, [*source.names, *source.others])
            write(pd.concat(found.values()))  # together: a table has its cost for each part


def rows(source: Heatmaps, chunk: np.ndarray, names: Iterable[str]) -> dict[str, pd.DataFrame]:
    """Return the rows of each of these methods and controls for some images; `names` has all methods.

    Another image's map stands in for a method's own: it is compared with what that one is compared with.
    """
    stacks = source.stacks(chunk, names=dict.fromkeys(names))
    own = {method: stacks[method] for method in source.methods}
    counts = [reasons.count("") for reasons in zip(*(why for _, why in own.values()), strict=True)]
    found = {}
    for name, (maps, reasons) in stacks.items():
        others = [rival for other, (rival, _) in own.items() if other != source.shown(name)]
        rivals = torch.stack(others) if others else maps.new_empty((0, *maps.shape))
        values = {metric: METRICS[metric](maps, rivals) for metric in METHODS}
        why = [reason or (ALONE if count < 2 else "") for reason, count in zip(reasons, counts, strict=True)]
        found[name] = heatmaps.scores(source.images.iloc[chunk], name, values, why, ALONE)
    return found
