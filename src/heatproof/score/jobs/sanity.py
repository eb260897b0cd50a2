"""Sanity of one checkpoint's heatmaps: whether they follow the model's weights, its labels and the class asked for."""

import torch

from heatproof.score import heatmaps
from heatproof.score.jobs import common
from heatproof.score.jobs.common import Scoring
from heatproof.score.metrics.changes import METRICS

CHANGES = {  # which metrics read which variants
    "cascade": "cascade:",
    "independent": "independent:",
    "random_labels": "random_labels",
    "random_target": "random_target",
}


def run(job: Scoring) -> None:
    torch.set_num_threads(job.compute["threads"])
    source = common.read(job.checkpoint)
    chunks = source.chunks()
    kept = job.kept(source.plain, source.names, source.content, source.scene)
    with job.writing(source.plain, kept) as write:
        for place, chunk in job.parts(chunks):
            for method in source.names:
                if method in kept:
                    for frame in kept.run(method, place, len(chunks)):
                        write(frame)
                    continue
                (maps, reasons), changed = source.pair(method, chunk)
                for change, prefix in CHANGES.items():
                    stacks = [changed(variant) for variant in source.names_of(prefix)]
                    if not stacks:
                        continue
                    others = torch.stack([other for other, _ in stacks])
                    metrics = (f"ssim_{change}", f"rank_correlation_{change}")
                    values = {metric: METRICS[metric](maps, others) for metric in metrics}
                    # degenerate maps are left out of the mean: their reason counts where none is left
                    found = zip(*(why for _, why in stacks), strict=True)
                    why = common.first_reason(reasons, [why[0] if all(why) else "" for why in found])
                    write(heatmaps.scores(source.images.iloc[chunk], method, values, why))
