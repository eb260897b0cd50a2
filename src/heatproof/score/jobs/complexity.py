"""Complexity of one checkpoint's heatmaps."""

import pandas as pd
import torch

from heatproof.score import heatmaps
from heatproof.score.complexity import METRICS
from heatproof.score.jobs.common import Scoring, heatmaps_of


def run(job: Scoring) -> None:
    torch.set_num_threads(job.compute["threads"])
    source = heatmaps_of(job.checkpoint)
    with job.writing(source) as write:
        for chunk in job.parts(source.chunks()):
            parts = []  # written together: a table has its cost for each part
            for method, (maps, reasons) in source.stacks(chunk).items():
                values = {metric: function(maps) for metric, function in METRICS.items()}
                parts.append(heatmaps.scores(source.images.iloc[chunk], method, values, reasons))
            write(pd.concat(parts))
