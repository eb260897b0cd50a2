"""Agreement of one checkpoint's heatmaps, method with method."""

import pandas as pd
import torch

from heatproof.catalogue.reasons import ONE_METHOD
from heatproof.score import heatmaps
from heatproof.score.jobs.common import Scoring, heatmaps_of
from heatproof.score.metrics.agreement import METRICS

ALONE = ONE_METHOD.code


def run(job: Scoring) -> None:
    torch.set_num_threads(job.compute["threads"])
    source = heatmaps_of(job.checkpoint)
    with job.writing(source) as write:
        for _, chunk in job.parts(source.chunks()):
            # another image's map stands in for a method's own: it is held against what that one is held against
            stacks = source.stacks(chunk, names=dict.fromkeys([*source.names, *source.others]))
            own = {method: stacks[method] for method in source.methods}
            counts = [reasons.count("") for reasons in zip(*(why for _, why in own.values()), strict=True)]
            parts = []  # written together: a table has its cost for each part
            for method, (maps, reasons) in stacks.items():
                others = [rival for other, (rival, _) in own.items() if other != source.shown(method)]
                rivals = torch.stack(others) if others else maps.new_empty((0, *maps.shape))
                values = {metric: function(maps, rivals) for metric, function in METRICS.items()}
                why = [reason or (ALONE if count < 2 else "") for reason, count in zip(reasons, counts, strict=True)]
                parts.append(heatmaps.scores(source.images.iloc[chunk], method, values, why, ALONE))
            write(pd.concat(parts))
