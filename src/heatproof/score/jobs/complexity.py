"""Complexity of one checkpoint's heatmaps."""

import argparse

import pandas as pd
import torch

from heatproof import progress, shards
from heatproof.score import heatmaps
from heatproof.score.complexity import METRICS
from heatproof.score.jobs.common import heatmaps_of, name, writing_scores


def run(args: argparse.Namespace) -> None:
    torch.set_num_threads(args.compute["threads"])
    source = heatmaps_of(args, beside=True)
    chunks = shards.mine(list(source.chunks()), args)
    with writing_scores(args, source) as write:
        for chunk in progress.steps(chunks, len(chunks), f"{name(args)}: complexity, parts"):
            parts = []  # written together: a table has its cost for each part
            for method, (maps, reasons) in source.stacks(chunk).items():
                values = {metric: function(maps) for metric, function in METRICS.items()}
                parts.append(heatmaps.scores(source.images.iloc[chunk], method, values, reasons))
            write(pd.concat(parts))
