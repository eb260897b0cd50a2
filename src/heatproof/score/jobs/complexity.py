"""Complexity of one checkpoint's heatmaps."""

from collections.abc import Iterable

import numpy as np
import pandas as pd
import torch

from heatproof.score import heatmaps
from heatproof.score.heatmaps import Heatmaps
from heatproof.score.jobs.common import Scoring, heatmaps_of
from heatproof.score.metrics.complexity import METRICS


def run(job: Scoring) -> None:
    torch.set_num_threads(job.compute["threads"])
    source = heatmaps_of(job.checkpoint)
    kept = job.kept(source, source.names)
    with job.writing(source, kept) as write:
        for place, chunk in job.parts(source.chunks()):
            made = rows(source, chunk, kept.without(source.names))
            write(pd.concat(kept.parts(made, place)))  # together: a table has its cost for each part


def rows(source: Heatmaps, chunk: np.ndarray, names: Iterable[str]) -> dict[str, pd.DataFrame]:
    """Return the rows of each of these methods and controls, as `heatmaps.scores` gives them, for some images."""
    found = {}
    for name, (maps, reasons) in source.stacks(chunk, names=names).items():
        values = {metric: function(maps) for metric, function in METRICS.items()}
        found[name] = heatmaps.scores(source.images.iloc[chunk], name, values, reasons)
    return found
