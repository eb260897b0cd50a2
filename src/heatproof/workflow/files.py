"""Which files a study has, which of them a job reads, how `snakemake --report` presents them, and what tells, before
any job runs, whether the images of a study have changed."""

import hashlib
import json
import re
from base64 import urlsafe_b64encode
from pathlib import Path

from heatproof.catalogue.families import FAMILIES, families_with
from heatproof.catalogue.metrics import metrics_of
from heatproof.config.study import Data, Network, Study
from heatproof.core.messages import InputError
from heatproof.data.sources.places import elsewhere
from heatproof.data.sources.trees import fingerprint, found_at, place
from heatproof.profiles import files as profiled
from heatproof.store import artifacts, sealing
from heatproof.store.tables import TABLES
from heatproof.train.specs import given_file
from heatproof.workflow.job import Job

AUDITED = ("digest.json", "facts.parquet", "thumbnails.npy", "quarantine.csv", "seams.npy")  # the digest is of the rest
READINGS = ("readings.parquet", "readings.npy")
DATA = ("manifest.parquet", "pixels.npy", "masks.npy", *READINGS, "source.json", *AUDITED)
AUDIT = ("audit.json", "audit.csv", "audit_pairs.csv")
ENSEMBLE = ("card.json", "predictions.parquet")  # it has no weights and is not trained
MODEL = (*ENSEMBLE, "model.safetensors", "history.csv")
MAPS = ("maps.npy", "index.parquet")
STATS = (*(f"{name}.csv" for name in TABLES), "summary.json", "metrics.json")
LONGEST = 254  # characters of a file's name, as Snakemake cuts them


def checkpoints(job: Job, compared: bool = False) -> list[Job]:
    """Return all (model or ensemble, seed, fold) of a study that are explained and scored.

    Args:
        compared: those of a random split too, which are only tested.
    """
    split = job.study.data.split
    folds = split.names + (split.compared if compared else [])
    return [job.at(model=m, seed=k, fold=fold) for m in job.study.named for k in job.study.seeds for fold in folds]


def trainings(study: Study) -> list[tuple[int, str]]:
    """Return (seed, fold) of every training of each model: those of a random split and of shuffled labels too."""
    folds = study.data.split.names
    wanted = [(seed, fold) for seed in study.seeds for fold in folds + study.data.split.compared]
    if study.explain.variants.random_labels and {*families_with("needs_variants")} & {*study.score.families}:
        wanted += [(study.seeds[0], shuffled(fold)) for fold in folds]
    return wanted


def shuffled(fold: str) -> str:
    """Return the fold of the models that are trained on another one's images under shuffled labels."""
    return fold.replace("fold", artifacts.SHUFFLED)


def results(job: Job) -> list[Path]:
    """Return everything that a study leaves, so that a file which is gone is made again."""
    every = checkpoints(job)
    return [
        *(artifacts.data_dir(job.name) / name for name in (*DATA, *AUDIT)),
        *regions(job),
        *(path for one in checkpoints(job, compared=True) for path in model(one)),
        *blanked(job),
        *(path for one in every for path in maps(one)),
        *(path for one in every for path in (*variants(one), *validation(one))),
        *scores(job),
        *curves(job),
        *(artifacts.stats_dir(job.name) / name for name in STATS),
        *profiles(job),
        *(profiled.study_files(job.name) if job.study.profiles.by else []),
        artifacts.report_path(job.name),
        *artifacts.paths(job.name),
        *artifacts.provenance(job.name),
    ]


def named(job: Job) -> list[Path]:
    """Return all files that the configuration names: the results, and the models of shuffled labels behind some."""
    models = [job.at(model=m, seed=k, fold=fold) for m in job.study.models for k, fold in trainings(job.study)]
    return [*results(job), *(path for one in models for path in model(one))]


def model(job: Job) -> list[Path]:
    """Return what lies in the folder of a checkpoint."""
    names = ENSEMBLE if job.model in job.study.ensembles else MODEL
    return [job.checkpoint.folder / name for name in names]


def members(job: Job) -> list[Path]:
    """Return what an ensemble is made of."""
    folders = [job.at(model=m).checkpoint.folder for m in job.study.members(job.model)]
    return [folder / name for folder in folders for name in ENSEMBLE]


def of_models(job: Job, name: str, compared: bool = False) -> list[Path]:
    """Return a file of each checkpoint that is explained; if wanted, of those of a random split too."""
    return [one.checkpoint.folder / name for one in checkpoints(job, compared)]


def regions(job: Job) -> list[Path]:
    """Return where regions lie, if the study has any."""
    return [artifacts.data_dir(job.name) / "regions.npy"] if job.study.data.regions else []


def blanked(job: Job) -> list[Path]:
    """Return predictions on images with a blanked part, of each checkpoint that is explained, if the study has them."""
    return [one.checkpoint.blanked for one in checkpoints(job)] if job.study.data.audit.blank else []


def variants(job: Job) -> list[Path]:
    """Return heatmaps of changed images and weights, if the study has them; an ensemble's would be its members'."""
    if job.model in job.study.ensembles or not {*families_with("needs_variants")} & {*job.study.score.families}:
        return []
    return [job.checkpoint.variants / name for name in MAPS]


def validation(job: Job) -> list[Path]:
    """Return the heatmaps of validation images, where a study tunes thresholds on them."""
    return [job.checkpoint.validation / name for name in MAPS] if job.study.explain.validation else []


def scores(job: Job) -> list[Path]:
    """Return the score tables: one a checkpoint and family; one a model and fold where a family looks across seeds."""
    found = []
    for one in checkpoints(job):
        for family in job.study.score.families:
            if FAMILIES[family].across_seeds:
                found.append(one.checkpoint.at(seed=None).scores(family))
            elif not FAMILIES[family].needs_variants or variants(one):
                found.append(one.checkpoint.scores(family))
    return list(dict.fromkeys(found))


def curves(job: Job) -> list[Path]:
    """Return the tables of curves, one for each checkpoint and family that has them."""
    families = [family for family in job.study.score.families if FAMILIES[family].curves]
    return [one.checkpoint.curves(family) for one in checkpoints(job) for family in families]


def profiles(job: Job) -> list[Path]:
    """Return the activation profiles, where a study asks for them; of models, as an ensemble has no feature maps."""
    trained = [one for one in checkpoints(job) if job.study.profiles.by and one.model in job.study.models]
    return [profiled.profile_dir(one.checkpoint) / name for one in trained for name in profiled.CHECKPOINT_FILES]


def weights(job: Job) -> list[Path]:
    """Return the file that training starts from, where a user gave one; and all files of a model that was trained
    elsewhere: weights, the modules of a function, a local folder of Hugging Face.

    Raises:
        InputError: one is not there, and no study of this run makes it.
    """
    given = job.recipe.weights
    if isinstance(job.recipe, Network):
        return [*job.recipe.spec.files(), *([given_file(given)] if given else [])]
    if given in ("scratch", "pretrained"):
        return []
    path = Path(given.format(model=job.model, seed=job.seed))
    study = path.parts[2] if path.parts[:2] == ("results", "models") else None
    if study not in job.running and not path.is_file():
        if study:
            raise InputError(f"{path}: not found; run the study {study} first, or name it in studies beside {job.name}")
        raise InputError(f"{path}: not found; train.weights is scratch, pretrained or the path of a .safetensors file")
    return [path]


def shuffled_card(job: Job) -> list[Path]:
    """Return the card of the model of shuffled labels, where a study asks for it: of the first seed alone."""
    if not job.study.explain.variants.random_labels or int(job.seed) != job.study.seeds[0]:
        return []
    return [job.at(fold=shuffled(job.fold)).checkpoint.card]


def external(job: Job) -> list[Path]:
    """Return heatmaps that a user made elsewhere; the files of a folder one by one.

    Raises:
        InputError: they are not there.
    """
    found = []
    for name, given in job.study.explain.external.items():
        path = Path(given.format(model=job.model, seed=job.seed))
        if not path.exists():
            raise InputError(f"{path}: not found; explain.external.{name} names an .npz file or a folder of .npy files")
        found += sorted(path.rglob("*.npy")) if path.is_dir() else [path]
    return found


def scored(job: Job) -> list[Path]:
    """Return what a family of metrics reads beside the heatmaps themselves."""
    if FAMILIES[job.family].needs_variants:
        return variants(job)
    if not any(metric.region for metric in metrics_of(job.family).values()):
        return []
    return [*regions(job), *validation(job)]


def compared_maps(job: Job) -> list[Path]:
    """Return the heatmaps that consistency compares: of all seeds, of the model and of the others of the study."""
    models = dict.fromkeys([*job.study.models, job.model])
    return [path for m in models for k in job.study.seeds for path in maps(job.at(model=m, seed=k))]


def shown_maps(job: Job) -> list[Path]:
    """Return the heatmaps that the report shows: of the first seed, and of all where consistency compares them."""
    every = "consistency" in job.study.score.families
    shown = [one for one in checkpoints(job) if every or one.seed == str(job.study.seeds[0])]
    return [path for one in shown for path in maps(one)]


def maps(job: Job) -> list[Path]:
    """Return the heatmaps of a checkpoint, and their index."""
    return [job.checkpoint.heatmaps / name for name in MAPS]


def source(job: Job) -> list[Path]:
    """Return where the source is described, if the report has something of it: rows left out, licences."""
    data = job.study.data
    shown = data.keep or data.leave_out or data.columns.license or job.study.task == "multilabel"
    return [artifacts.data_dir(job.name) / "source.json"] if shown else []


def map_shards(job: Job) -> list[Path]:
    """Return the shards that heatmaps are joined from."""
    return _shards(job, job.checkpoint.heatmaps / "maps.npy")


def score_shards(job: Job) -> list[Path]:
    """Return the shards that a score table is joined from."""
    return _shards(job, job.checkpoint.scores(job.family)) if FAMILIES[job.family].shardable else []


def _shards(job: Job, path: Path) -> list[Path]:
    """Return the shards of a result. One that is there keeps the number it was made in: another number gives the same
    bytes, and makes nothing again."""
    count = 0 if job.shard else job.study.compute.shards
    if count and path.exists() and record(path).exists():
        try:
            made = json.loads(record(path).read_text(encoding="utf-8")).get("input") or []
        except ValueError:  # cut off, or being written: Snakemake takes no note of it either
            made = []
        count = sum(re.fullmatch(re.escape(str(path.with_suffix(""))) + r"\.\d+of\d+", one) is not None for one in made)
    return [sealing.folder(path, shard + 1, count) for shard in range(count)] if count > 1 else []


def record(path: Path) -> Path:
    """Return where Snakemake keeps what it knows of an output."""
    name = urlsafe_b64encode(str(path).encode()).decode()
    *folders, last = (name[start : start + LONGEST] for start in range(0, len(name), LONGEST))
    return Path(".snakemake/metadata", *(f"@{folder}" for folder in folders), last)


CAPTIONED = ("models", "metrics", "pairs", "controls", "claims")  # tables


def caption(path: Path) -> dict | None:
    """Return the arguments of Snakemake's `report` for a table, a figure or the page; None of what is not shown."""
    if path.suffix == ".csv" and path.stem in CAPTIONED:
        name, part, label = path.stem, "tables", path.name
    elif path.suffix == ".svg":
        name = "accuracy" if path.stem == "accuracy" else "ranks" if path.stem.endswith("_ranks") else "family"
        part, label = "figures", path.stem.replace("_ranks", ": mean ranks")
    elif path.suffix == ".html":
        name, part, label = "page", "report", "the whole report"
    else:
        return None
    found = {"caption": f"captions/{name}.rst", "category": "{study}", "subcategory": part}
    return found | {"labels": {part: label}}


def data_fingerprint(data: Data, recorded: Path) -> str | None:
    """A text that changes with what a study reads, without decoding any of it; None for phantoms.

    What is downloaded is known by what is declared of it (its address, its SHA-256, the list of its contents), so
    that the text is the same before and after; what comes unchecked is read again once it is there. Where the source,
    or the key of its pseudonyms, is not there, as in a clone that pulled the data, what was recorded of it stands.

    Args:
        data: the section `data` of the study.
        recorded: `source.json`, which the data stage writes.

    Raises:
        InputError: the source is not there or not of its kind, and nothing was recorded of it.
    """
    if data.drawn:
        return None
    source, key = place(data.source), place(data.key_file) if data.key_file else None
    known = data.download and not data.download.unchecked  # by what is declared of it
    drawn = elsewhere(data.masks)
    needed = [path for path in (key, None if known else source, drawn and drawn[0]) if path]
    if recorded.exists() and not all(path.exists() for path in needed):
        return artifacts.read_json(recorded)["fingerprint"]
    kind = "archive" if data.table else data.base  # a table in an archive counts with its files
    declared = known or (data.download and not source.exists())
    new = {"unchecked"} if known else None  # since 0.7; what was recorded before stands
    files = data.download.model_dump_json(exclude=new) if declared else fingerprint(source, kind)
    boxes = source.parent / data.boxes if data.boxes else None  # inside the source they count with its files
    joined = [] if data.table else [source.parent / name for name in data.join]
    parts = [files, *map(_digest, (place(data.contents) if data.contents else None, boxes, *joined)), _of_key(key)]
    if drawn and drawn[0].exists():
        parts.append(fingerprint(drawn[0], "folder"))
    if data.kind == "table" and data.masks and not data.table:
        parts.append(fingerprint(source.parent, "folder"))
    for name in data.annotation_files:
        there = found_at(name, source)
        parts += map(_digest, sorted(there.rglob("*")) if there and there.is_dir() else [there])
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _digest(path: Path | None) -> str:
    return artifacts.digest(path) if path and path.is_file() else ""


def _of_key(path: Path | None) -> str:
    """Tells one key from another, slowly: it is stored with the results, and must not help to guess a key."""
    if not path or not path.is_file():
        return ""
    return hashlib.scrypt(path.read_bytes(), salt=b"heatproof", n=2**14, r=8, p=1, dklen=8).hex()
