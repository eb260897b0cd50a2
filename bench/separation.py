"""Does a metric tell the true region from others? AUROC over images of the phantom, whose truth is known.

`python -m bench.separation` scores the truth itself and maps that are not it as the pipeline scores any heatmap, with
every metric that rates a given map: a metric that is registered takes part by that. Truth is the ceiling of
localization for any image, but of faithfulness only where the model uses the lesion: where the same image without it,
which the phantom's generator can draw, is given another class. Needs the study phantom's results; writes the table in
`docs/metrics.md` and `src/heatproof/report/separation.csv`, which the report reads.
"""

import argparse
import importlib
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd
import torch
from scipy import ndimage

from heatproof.catalogue.metrics import BASELINES, better
from heatproof.config.load import shipped
from heatproof.config.stages import Faithfulness
from heatproof.config.study import merge
from heatproof.core.draws import generator, percentile_interval, spread
from heatproof.core.messages import InputError, line
from heatproof.data.prepare import regions
from heatproof.data.synthetic import phantom
from heatproof.report.inputs import PATH, SCHEMA
from heatproof.score import controls
from heatproof.score.heatmaps import Heatmaps
from heatproof.score.jobs.common import Scoring
from heatproof.store import artifacts
from heatproof.store.sealing import Share
from heatproof.train.checkpoint import load_trained
from heatproof.train.model import ImageSet, predict, prepare

STUDY, FOLD, SEED = "phantom", "fold0", 0
DOCS = Path(__file__).parents[1] / "docs" / "metrics.md"
REGIONS = (*regions.REGIONS, regions.BORDER)
BLURRED, SHIFTED = "blurred truth", "shifted truth"
AGAINST = (BLURRED, SHIFTED, controls.EDGES, controls.CENTER, controls.RANDOM)
BLUR = 0.067  # standard deviation as a share of the side: as far as the pointing game's tolerance reaches
DRAWS, LEVEL = 2000, 0.95
FREE = ("localization", "complexity")  # families that ask no model


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--models", nargs="+", default=["resnet50"], help="asked by name")
    parser.add_argument("--images", type=int, default=32, help="that each model is asked about")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args(arguments)
    started = time.monotonic()
    prepare(args.threads)
    scores = measure(args.models, args.images, args.threads)
    table = separations(scores)
    with artifacts.replacing(PATH) as temporary:
        table[list(SCHEMA)].to_csv(temporary, index=False, float_format="%.10g", lineterminator="\n")
    write_docs(table)
    print(f"{len(table)} rows, {time.monotonic() - started:.0f} s", file=sys.stderr)
    return 0


def measure(models: list[str], images: int, threads: int) -> pd.DataFrame:
    """Scores of the truth and of what it is told from: the columns of the score table, and `family`."""
    manifest = artifacts.read_manifest(STUDY, FOLD)
    lesions = np.flatnonzero((manifest["truth"] != "none") & (manifest["split"] == "test"))
    parts = []
    with elsewhere():
        write_regions(lesions)
        parts += [scored(family, models[0], manifest, lesions, threads) for family in FREE]
        for model in models:
            used = lesions[flips(model, manifest, lesions)]
            chosen = manifest.iloc[used]
            used = used[spread(STUDY, list(chosen["image_id"]), list(chosen["group"]), images)]
            line(f"{model}: {len(chosen)} of {len(lesions)} predictions flip without the lesion, {len(used)} are taken")
            if len(used):
                parts.append(scored("faithfulness", model, manifest, used, threads))
    return pd.concat(parts, ignore_index=True)


@contextmanager
def elsewhere() -> Iterator[None]:
    """Another `results/` in which data and models are those of the study, and heatmaps and scores are ours."""
    here = artifacts.RESULTS.resolve()
    with tempfile.TemporaryDirectory() as name, mock.patch.object(artifacts, "RESULTS", Path(name)):
        for source in (here / "data" / STUDY).iterdir():
            if source.name != "regions.npy":
                place = artifacts.data_dir(STUDY) / source.name
                place.parent.mkdir(parents=True, exist_ok=True)
                place.symlink_to(source)
        (Path(name) / "models").symlink_to(here / "models")
        yield


def flips(model: str, manifest: pd.DataFrame, rows: np.ndarray) -> np.ndarray:
    """Bool [rows]: which images the model knows, and calls something else once the lesion is gone."""
    classifier, _ = load_trained(artifacts.Checkpoint(STUDY, model, SEED, FOLD), torch.device("cpu"))
    pixels = artifacts.read_array(artifacts.data_dir(STUDY) / "pixels.npy")
    labels = torch.tensor(manifest["label"].to_numpy("int64"))
    without = np.stack([without_lesion(manifest, row, pixels[row])[None] for row in rows])
    seen = ImageSet(pixels, rows, labels[rows]), ImageSet(without, np.arange(len(rows)), labels[rows])
    whole, emptied = (predict(classifier, images, 64, torch.device("cpu")).argmax(1) for images in seen)
    return ((whole == labels[rows]) & (emptied != labels[rows])).numpy()


def without_lesion(manifest: pd.DataFrame, row: int, pixels: np.ndarray) -> np.ndarray:
    """uint8 [height, width]: the image in `row` of the study, uint8 [1, height, width], drawn without its lesion.

    Raises:
        InputError: drawn with it, it is not that image: the study's pixels are not the phantom's own.
    """
    image = manifest.iloc[row]
    _, seed, patient, index = image["source"].split(":")
    slices = int((manifest["group"] == image["group"]).sum())
    z = np.linspace(-1, 1, slices)[int(index)] if slices > 1 else 0.0
    anatomy, lesion = phantom.draw_patient(STUDY, int(seed), int(patient), phantom.CLASSES[image["label"]])
    drawn = [
        phantom.render(
            anatomy, what, float(z), pixels.shape[-1], generator("phantom", STUDY, int(seed), "noise", patient, index)
        )[0]
        for what in (lesion, None)
    ]
    if not np.array_equal(drawn[0], pixels[0]):
        raise InputError(
            f"results/data/{STUDY}: {image['image_id']} is not what the phantom draws; run snakemake again"
        )
    return drawn[1]


def blurred(mask: np.ndarray) -> np.ndarray:
    """The mask [height, width] under a Gaussian of `BLUR`, float32."""
    return ndimage.gaussian_filter(mask.astype(np.float32), BLUR * min(mask.shape))


def shifted(mask: np.ndarray) -> np.ndarray:
    """The mask [height, width], float32, moved by its own width towards the middle: a near miss."""
    columns = np.flatnonzero(mask.any(0))
    step = np.ptp(columns) + 1
    return np.roll(mask, step if columns.mean() < mask.shape[1] / 2 else -step, axis=1).astype(np.float32)


def write_regions(rows: np.ndarray) -> None:
    """What `heatproof job regions` writes, for some images of the study; the others have none."""
    folder = artifacts.data_dir(STUDY)
    pixels = artifacts.read_array(folder / "pixels.npy")
    shape = (len(REGIONS), len(pixels), *pixels.shape[2:])
    with artifacts.writing_array(folder / "regions.npy", shape, "bool") as found:
        for row in rows:
            there = regions.find_regions(regions.grey(pixels[row])) | {regions.BORDER: regions.border(shape[2:])}
            for place, region in enumerate(REGIONS):
                found[place, row] = there[region]


def scored(family: str, model: str, manifest: pd.DataFrame, rows: np.ndarray, threads: int) -> pd.DataFrame:
    """The scores that the pipeline's own job gives to truth and others on some images of the study."""
    masks, images = artifacts.read_array(artifacts.data_dir(STUDY) / "masks.npy")[rows], manifest.iloc[rows]
    made = {BLURRED: [blurred(mask) for mask in masks], SHIFTED: [shifted(mask) for mask in masks]}
    blank = {artifacts.TEXT: "", artifacts.INTEGER: 0, artifacts.NUMBER: np.nan, artifacts.FLAG: False}
    index = pd.concat([images[["image_id", "group"]].assign(method=name, target=images["label"]) for name in made])
    index = index.assign(row=range(len(index)))
    index = index.assign(**{name: blank[kind] for name, kind in artifacts.HEATMAPS.items() if name not in index})
    checkpoint = artifacts.Checkpoint(STUDY, model, SEED, FOLD)
    index[["grid_height", "grid_width"]] = masks.shape[1:]
    artifacts.write_table(checkpoint.heatmaps / "index.parquet", index, artifacts.HEATMAPS)
    artifacts.write_array(checkpoint.heatmaps / "maps.npy", np.concatenate(list(made.values())))
    job = Scoring(checkpoint, family, options(family), {"device": "cpu", "threads": threads}, Share())
    with mock.patch.object(Heatmaps, "names", property(_only(Heatmaps.names.fget))):
        importlib.import_module(f"heatproof.score.jobs.{family}").run(job)
    found = artifacts.read_table(job.path, artifacts.SCORES)
    return found.assign(family=family)


def _only(names):
    """Without the controls that are not asked about here: each costs as much time as a map."""
    return lambda source: [name for name in names(source) if name in (controls.TRUTH, *AGAINST)]


def options(family: str) -> dict:
    """The family's section with everything that is optional switched on, for as many images as there are."""
    if family == "localization":
        return shipped()["score"]["localization"] | {"regions": list(REGIONS)}
    if family != "faithfulness":
        return {}
    parts = {"road": {"images": 10**6}, "naopc": {"images": 32, "cells": 7}, "infidelity": {"images": 10**6}}
    found = {"images": 10**6, "steps": 8, "baselines": [*BASELINES]} | parts
    return Faithfulness.model_validate(merge(shipped()["score"]["faithfulness"], found)).model_dump()


def separations(scores: pd.DataFrame) -> pd.DataFrame:
    """AUROC of truth against each of `AGAINST` for each metric, with an interval by a bootstrap over groups.

    The sign is turned where lower is better. Where nothing is better (complexity) an AUROC below one half is turned
    as well: what is told apart is told apart on either side.
    """
    rows = []
    for (family, metric), found in scores.groupby(["family", "metric"], sort=False):
        good = better(family, metric)
        wide = found.assign(value=-found["value"] if good == "lower" else found["value"]).pivot(
            index=["model", "group", "image_id"], columns="method", values="value"
        )
        for other in AGAINST:
            both = wide[[controls.TRUTH, other]].dropna()
            models, groups = (both.index.get_level_values(name).to_numpy() for name in ("model", "group"))
            rng = generator("separation", metric, other)
            value, low, high = auroc(both[controls.TRUTH].to_numpy(), both[other].to_numpy(), groups, models, rng)
            if good == "none" and value < 0.5:
                value, low, high = 1 - value, 1 - high, 1 - low
            rows.append({"metric": metric, "against": other, "auroc": value, "low": low, "high": high})
            rows[-1]["images"] = len(both)
    return pd.DataFrame(rows, columns=list(SCHEMA))


def auroc(
    truth: np.ndarray, other: np.ndarray, groups: np.ndarray, models: np.ndarray, rng: np.random.Generator
) -> tuple[float, float, float]:
    """Probability that truth's score is above the other's, equal ones counting half, and the ends of its interval.

    Pairs are those of images of one model. Groups are resampled whole, with all their images under all models. No end
    lies nearer to 0 or 1 than 3 / n of n groups: that rate of failures cannot be excluded where none is seen (Hanley
    and Lippman-Hand 1983), which percentiles alone would not know.

    Args:
        truth, other: scores [images], larger is better, without NaN.
        groups, models: of each image.
    """
    codes, names = pd.factorize(groups)
    if not len(names):
        return np.nan, np.nan, np.nan
    wins, pairs = np.zeros((2, len(names), len(names)))
    for model in np.unique(models):
        here = models == model
        a, b = truth[here][:, None], other[here][None]
        where = np.ix_(codes[here], codes[here])
        np.add.at(wins, where, (a > b) + 0.5 * (a == b))
        np.add.at(pairs, where, 1)
    drawn = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=DRAWS)
    values = np.einsum("dg,gh,dh->d", drawn, wins, drawn) / np.einsum("dg,gh,dh->d", drawn, pairs, drawn)
    low, high = percentile_interval(values, LEVEL)
    slack = min(1.0, 3 / len(names))
    return wins.sum() / pairs.sum(), min(low, 1 - slack), max(high, slack)


def markdown(table: pd.DataFrame) -> str:
    """A row a metric, a column each of `AGAINST`."""
    lines = ["| metric | images | " + " | ".join(AGAINST) + " |", "| --- " * (len(AGAINST) + 2) + "|"]
    for metric, found in table.groupby("metric", sort=False):
        cells = [
            "-" if np.isnan(row.auroc) else f"{row.auroc:.2f} ({row.low:.2f} to {row.high:.2f})"
            for row in found.itertuples()
        ]
        mark = "" if found.loc[found["against"] == controls.RANDOM, "low"].item() > 0.5 else " †"
        lines.append(f"| {metric}{mark} | {found['images'].max()} | {' | '.join(cells)} |")
    return "\n".join(lines)


def write_docs(table: pd.DataFrame) -> None:
    text = DOCS.read_text(encoding="utf-8")
    block = f"<!-- separation -->\n{markdown(table)}\n<!-- end -->"
    text, count = re.subn(r"<!-- separation -->.*?<!-- end -->", lambda _: block, text, flags=re.S)
    if not count:
        raise InputError(f"{DOCS}: no place for the table; put <!-- separation --> and <!-- end --> where it goes")
    with artifacts.replacing(DOCS) as temporary:
        temporary.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
