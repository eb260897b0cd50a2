"""Complexity of one checkpoint's heatmaps."""

import pandas as pd
import torch

from heatproof.score import heatmaps
from heatproof.score.jobs.common import Scoring, heatmaps_of
from heatproof.score.metrics.complexity import METRICS


def run(job: Scoring) -> None:
    torch.set_num_threads(job.compute["threads"])
    source = heatmaps_of(job.checkpoint)
    kept = job.kept(source, source.names)
    with job.writing(source, kept) as write:
        for place, chunk in job.parts(source.chunks()):
            made = {}
            for method, (maps, reasons) in source.stacks(chunk, names=kept.without(source.names)).items():
                values = {metric: function(maps) for metric, function in METRICS.items()}
                made[method] = heatmaps.scores(source.images.iloc[chunk], method, values, reasons)
            write(pd.concat(kept.parts(made, place)))  # together: a table has its cost for each part
