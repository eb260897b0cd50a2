import json
import atexit
import os
import re
import sys
from pathlib import Path
from shutil import which

ROOT = Path(workflow.basedir)
sys.path.insert(0, str(ROOT / "src"))

from snakemake.settings.types import DeploymentMethod

from heatproof import artifacts, aside, links, paper_files, queued, running, shards, workers
from heatproof.config import load, section
from heatproof.errors import InputError
from heatproof.fingerprint import data_fingerprint
from heatproof.profiles import files as profiled
from heatproof.registry import families, registered
from heatproof.sources import source_digest
from heatproof.stats.setting import setting_numbers
from heatproof.stats_tables import OF_MULTILABEL, TABLES
from snakemake_logger_plugin_heatproof import failures


def stop(error):
    print(error, file=sys.stderr)
    raise SystemExit(1)


if set("{}") & set(str(ROOT)):
    stop(f"{ROOT}: Snakemake takes braces for wildcards: give the folder another name")


try:
    STUDIES = load(ROOT, overrides=workflow.config_settings.overwrite_config)
except InputError as error:
    stop(error)

PLANTED = [name for name, study in STUDIES.items() if study.data.kind == "planted"]
MULTILABEL = [name for name, study in STUDIES.items() if study.task == "multilabel"]

KILLED = (
    "killed from outside (signal 9), most likely for want of memory: let fewer jobs run at once (--cores, or"
    " --resources mem_mb=), or set a smaller train.batch_size, explain.batch_size or compute.batch_size"
)

# Jobs run this checkout with this Python, unless conda gives them one. They wait passively: two jobs with
# several threads each on as many cores as one of them wants take ten times as long otherwise.
CONDA = DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method
# Snakemake quotes this with the command of each job that fails, so the hint stands elsewhere
shell.prefix("set -euo pipefail; trap 'test $? != 137 || echo \"$HEATPROOF_KILLED\" >&2' EXIT; ")
os.environ |= {
    **({} if CONDA else {"PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}"}),
    # before what the user has there, which may be how a plugin of Snakemake's is found, by jobs too
    "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT / "src"), os.environ.get("PYTHONPATH")])),
    "HEATPROOF_KILLED": KILLED,
    "OMP_WAIT_POLICY": "passive",
    "GOMP_SPINCOUNT": "0",
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
    "MPLBACKEND": "Agg",
    "ARROW_DEFAULT_MEMORY_POOL": "system",  # Arrow's own keeps what it has had
}


# No more jobs at once than this machine's memory holds, unless --resources says otherwise. Profiles of clusters have to:
# which executor runs the jobs is not known yet.
if workflow.is_main_process and not {"mem", "mem_mb", "mem_mib"} & set(workflow.global_resources):
    workflow.register_resource("mem_mb", os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 10**6)


wildcard_constraints:
    study="|".join(map(re.escape, STUDIES)),  # what another one left may be an input, and is not made
    model="[^/]+",
    seed=r"\d+",
    shard=r"\d+",
    shards=r"\d+",
    fold=artifacts.TRAINED,


# stats and report read names, signs and directions of methods and metrics from their sources
REGISTERED = [
    path.relative_to(ROOT)
    for stage in ("explain", "score")
    for path in sorted((ROOT / "src/heatproof" / stage).glob("*.py"))
    if re.search(r"^@(method|metric)\(", path.read_text(encoding="utf-8"), re.M)
]

EXPLAINED = r"fold\d+"  # a random split is trained on and tested, to stand beside; nothing of it is explained


def code(*modules):
    """The digest of the code that a job runs: a parameter and no inputs, as Snakemake looks at each input of each job
    that is ready whenever one ends."""
    return source_digest(*modules)


def checkpoints(study, compared=False):
    """All (model or ensemble, seed, fold) of a study that are explained and scored; if asked, of a random split too."""
    split = STUDIES[study].data.split
    folds = split.names + (split.compared if compared else [])
    return [(m, seed, fold) for m in STUDIES[study].named for seed in STUDIES[study].seeds for fold in folds]


ENSEMBLES = sorted({name for study in STUDIES.values() for name in study.ensembles})
A_MODEL = f"(?!(?:{'|'.join(ENSEMBLES)})/)[^/]+" if ENSEMBLES else "[^/]+"  # one that is trained
AN_ENSEMBLE = "|".join(ENSEMBLES) or "(?!)"


def varied(study, model):
    """Whether heatmaps of changed images and weights are made of it: of an ensemble they would be its members' again."""
    return model not in STUDIES[study].ensembles and bool(set(VARIED) & set(STUDIES[study].score.families))


def model_files(study, one):
    """What lies in the folder of a checkpoint. An ensemble has no weights and was not trained."""
    names = MODEL_FILES if one[0] not in STUDIES[study].ensembles else ("card.json", "predictions.parquet")
    return [artifacts.model_dir(study, *one) / name for name in names]


def profile_files(study):
    """Neuron activation profiles, where a study asks for them; of the models, as an ensemble has no feature maps."""
    if not STUDIES[study].profiles:
        return []
    return [*profiled_checkpoints(study), *profiled.study_files(study)]


def profiled_checkpoints(study):
    trained = [profiled.profile_dir(study, *one) for one in checkpoints(study) if one[0] in STUDIES[study].models]
    return [folder / name for folder in trained for name in profiled.CHECKPOINT_FILES]


def members(wildcards):
    return STUDIES[wildcards.study].members(wildcards.model)


def threads_of(wildcards):
    return STUDIES[wildcards.study].compute.threads


# asked once, where the study is started: a job on a node of a cluster must not come to another answer
os.environ.setdefault("HEATPROOF_GPU", str(int(which("nvidia-smi") is not None)))


envvars:
    "HEATPROOF_GPU",


def memory_of_training(wildcards):
    """MB: of PyTorch and a large network, and of what a batch leaves in it for the backward pass."""
    return 3000 + int(150 * recipe(wildcards).batch_size * (STUDIES[wildcards.study].data.size / 224) ** 2)


def gpus_of(wildcards):
    """1 where a job will compute on a GPU."""
    device = STUDIES[wildcards.study].compute.device
    return int(device == "cuda" or (device == "auto" and os.environ["HEATPROOF_GPU"] == "1"))


def data_files(study):
    folder = artifacts.data_dir(study)
    seams = ["seams.npy"] if study in PLANTED else []
    regions = ["regions.npy"] if STUDIES[study].data.regions else []
    return [folder / name for name in (*DATA_FILES, *seams, *regions, *AUDIT_FILES)]


DATA_FILES = (
    "digest.json",
    "manifest.parquet",
    "pixels.npy",
    "masks.npy",
    "source.json",
    "facts.parquet",
    "thumbnails.npy",
    "quarantine.csv",
)
AUDIT_FILES = ("audit.json", "audit.csv", "audit_pairs.csv")


def stats_files(study):
    folder = artifacts.stats_dir(study)
    return [folder / name for name in (*STATS_TABLES, *(LABEL_TABLES if study in MULTILABEL else []))]


LABEL_TABLES = [f"{name}.csv" for name in OF_MULTILABEL]
STATS_TABLES = (*(f"{name}.csv" for name in TABLES), "summary.json", "metrics.json")


def score_files(study):
    """Score tables of a study: one a checkpoint and family; one a model and fold where a family looks across seeds."""
    families = STUDIES[study].score.families
    per_seed = [family for family in families if family != "consistency"]
    files = [
        artifacts.score_path(study, m, f, fold, k)
        for m, k, fold in checkpoints(study)
        for f in per_seed
        if f not in VARIED or varied(study, m)
    ]
    if "consistency" in families:
        files += [
            artifacts.score_path(study, m, "consistency", fold)
            for m in STUDIES[study].named
            for fold in STUDIES[study].data.split.names
        ]
    return files


def results(study):
    """Everything that a study leaves, so that a file which is gone is made again."""
    maps = [artifacts.heatmap_dir(study, *one) for one in checkpoints(study)]
    return [
        *data_files(study),
        *(path for one in checkpoints(study, compared=True) for path in model_files(study, one)),
        *(folder / name for folder in maps for name in ("index.parquet", "maps.npy")),
        *(
            artifacts.variants_dir(study, *one) / name
            for one in checkpoints(study)
            for name in ("index.parquet", "maps.npy")
            if varied(study, one[0])
        ),
        *score_files(study),
        *stats_files(study),
        *profile_files(study),
        artifacts.report_path(study),
        *paper_files.paths(study),
        *paper_files.provenance(study),
    ]


MODEL_FILES = ("card.json", "model.safetensors", "predictions.parquet", "history.csv")


def named(study):
    """All files that the configuration names: the results, and the models of shuffled labels behind some of them."""
    found = results(study)
    if STUDIES[study].explain.variants.random_labels:
        seed = STUDIES[study].seeds[0]
        folds = [fold.replace("fold", artifacts.SHUFFLED) for fold in STUDIES[study].data.split.names]
        models = [artifacts.model_dir(study, m, seed, fold) for m in STUDIES[study].models for fold in folds]
        found += [model / name for model in models for name in MODEL_FILES]
    return found


BROUGHT, STARTED = [], []


def before():
    """Take away what a killed Snakemake left and links of DVC, and bring back results that are named again."""
    try:
        with running.idle() as free:
            if free:  # beside a run that is on its way one may look, and no more
                links.own()
                for study in STUDIES:
                    BROUGHT.extend(aside.bring_back(named(study)))
    except InputError as error:
        stop(error)
    atexit.register(after)


def begin():
    """One Snakemake a folder; no job of a killed one may still write, and this one's can."""
    try:
        running.begin(queued.clear)
        artifacts.check_writable(STUDIES)
    except InputError as error:
        stop(error)
    STARTED.append(True)
    threads = {study.compute.threads for study in STUDIES.values()}
    if not (CONDA or workflow.non_local_exec) and len(threads) == 1:
        workers.start(warm_modules(), threads.pop())


def warm_modules():
    """The modules that jobs of these studies import."""
    methods = registered("explain", "method")
    found = {methods[name] for study in STUDIES.values() for name in study.explain.methods}
    found |= {f"heatproof.score.jobs.{family}" for study in STUDIES.values() for family in study.score.families}
    found |= {f"heatproof.{stage}.command" for stage in ("train", "explain", "score")}
    return sorted(found | {"heatproof.explain.job", "heatproof.explain.variants"})


def after():
    """Leave results as they were where nothing was computed; tidy where nothing was to be, as `onsuccess` then is not
    called."""
    if STARTED:
        return
    with running.idle() as free:
        if free and (workflow.executor_plugin is None or workflow.dryrun):
            aside.put_away(BROUGHT)
        elif free:
            tidy()


def repeat_failures(log):
    """Say at the very end, below all that Snakemake quotes, what each failed job said; `make run` has shown it."""
    if "heatproof" not in workflow.logger_manager.settings.log_handler_settings:
        atexit.register(lambda: print(*failures(log), sep="\n", file=sys.stderr))


def tidy():
    for study in STUDIES:
        if count := aside.set_aside(study, named(study)):
            print(
                f"{study}: {count} files that the configuration no longer names were set aside in {aside.FOLDER}; they"
                " come back when it names them again",
                file=sys.stderr,
            )


def data_section(wildcards):
    """The section without how data are audited, and what tells whether the images at the source have changed."""
    study = STUDIES[wildcards.study]
    resolved = {"class_names": study.data.class_names, "group_kind": study.group_kind}
    if study.task != "multiclass":
        resolved["task"] = study.task
    if study.data.split.given:  # training needs images to train on and to choose the epoch by
        resolved["trained"] = bool(study.trained)
    try:
        recorded = artifacts.data_dir(wildcards.study) / "source.json"
        resolved["fingerprint"] = data_fingerprint(study.data, recorded)
    except InputError as error:
        stop(error)
    return section(study.data.model_dump(exclude={"audit", "regions", "modality"}), resolved)


def regions_section(wildcards):
    """The regions to find, what in, and the section of the data where lung fields are given as masks."""
    data = STUDIES[wildcards.study].data
    found = {"regions": data.regions} | ({"modality": data.modality} if data.modality != "ct" else {})
    return section(found | ({"data": json.loads(data_section(wildcards))} if data.lungs else {}))


def regions_code(wildcards):
    """Masks of lungs are read from the source, by what reads it."""
    modules = ["artifacts", "data.regions"]
    if STUDIES[wildcards.study].data.lungs:
        modules += ["data.lung_masks", *data_modules(wildcards)]
    return code(*modules)


def audited_files(wildcards):
    """What an audit reads: the digest stands for most of it, and here are the files that it does not cover."""
    names = ["digest.json", "facts.parquet", "thumbnails.npy", "quarantine.csv"]
    names += ["seams.npy"] if wildcards.study in PLANTED else []
    return [artifacts.data_dir(wildcards.study) / name for name in names]


def audit_section(wildcards):
    study = STUDIES[wildcards.study]
    keys = {"audit", "lookalike", "split", "seed", "shortcut", "kind", "crop", "fit"}
    resolved = {"group_kind": study.group_kind, "patients_known": study.data.patients_known}
    return section(study.data.model_dump(include=keys), resolved)


# what a data job imports as it runs: by the kind of its source, and by what else its section asks for
SOURCE_MODULES = {
    "phantom": ["data.phantom"],
    "archive": ["data.reading.images"],
    "folder": ["data.reading.images"],
    "table": ["data.reading.table"],
    "dicom": ["data.reading.dicom"],
    "planted": ["data.planted"],  # and those of the source that it plants into
    "contents": ["data.reading.contents"],
    "download": ["data.download.fetch", "data.download.kaggle", "data.download.transfer"],
    "shortcut": ["data.shortcut"],
}


def data_modules(wildcards):
    data = STUDIES[wildcards.study].data
    parts = [data.kind, *([data.planted.kind] if data.kind == "planted" else [])]
    parts += [key for key in ("contents", "download", "shortcut") if getattr(data, key)]
    return ["data.command", *(module for part in parts for module in SOURCE_MODULES[part])]


def data_code(wildcards):
    return code(*data_modules(wildcards))


def recipe(wildcards):
    return STUDIES[wildcards.study].train.recipe(wildcards.model)


def weights_file(wildcards):
    """The file that training starts from, where a user gave one."""
    weights = recipe(wildcards).weights
    if weights in ("scratch", "pretrained"):
        return []
    path = Path(weights.format(model=wildcards.model, seed=wildcards.seed))
    made = path.parts[:2] == ("results", "models") and path.parts[2] in STUDIES  # by another study of this run
    if not made and not path.is_file():
        stop(f"{path}: not there; train.weights is scratch, pretrained or the path of a .safetensors file")
    return path


def explain_code(wildcards, *modules):
    methods = registered("explain", "method")
    used = {methods[name].removeprefix("heatproof.") for name in STUDIES[wildcards.study].explain.methods}
    return code("explain.command", *modules, *used)


def external_files(wildcards):
    """Heatmaps that a user made elsewhere; the files of a folder one by one."""
    found = []
    for name, path in STUDIES[wildcards.study].explain.external.items():
        path = Path(path.format(model=wildcards.model, seed=wildcards.seed))
        if not path.exists():
            stop(f"{path}: not there; explain.external.{name} names an .npz file or a folder of .npy files")
        found += sorted(path.rglob("*.npy")) if path.is_dir() else [path]
    return found


def shuffled_card(wildcards):
    """The model of shuffled labels, where a study asks for it: of the first seed alone."""
    study = STUDIES[wildcards.study]
    if not study.explain.variants.random_labels or int(wildcards.seed) != study.seeds[0]:
        return []
    fold = wildcards.fold.replace("fold", artifacts.SHUFFLED)
    return artifacts.model_dir(wildcards.study, wildcards.model, wildcards.seed, fold) / "card.json"


SHARDED = ("localization", "faithfulness", "complexity")  # families that take all images, one by one


def shards_of(study, path):
    """The shards that a result is joined from. One that is there keeps the number it was made in: another number gives
    the same bytes, and makes nothing again."""
    count, record = STUDIES[study].compute.shards, aside.record(path)
    if path.exists() and record.exists():
        try:
            made = json.loads(record.read_text(encoding="utf-8")).get("input") or []
        except ValueError:  # cut off, or being written: Snakemake takes no note of it either
            made = []
        count = sum(re.fullmatch(re.escape(str(path.with_suffix(""))) + r"\.\d+of\d+", one) is not None for one in made)
    return [shards.folder(path, shard + 1, count) for shard in range(count)] if count > 1 else []


def heatmap_parts(wildcards):
    folder = artifacts.heatmap_dir(wildcards.study, wildcards.model, wildcards.seed, wildcards.fold)
    return shards_of(wildcards.study, folder / "maps.npy")


def score_parts(wildcards):
    one = wildcards.study, wildcards.model, wildcards.family, wildcards.fold, wildcards.seed
    return shards_of(wildcards.study, artifacts.score_path(*one)) if wildcards.family in SHARDED else []


def shard_options(wildcards, input):
    """Asks for the input, so that Snakemake takes no note of it: how many shards there are is no reason to run."""
    if "shard" in wildcards.keys():
        return f"--shard {wildcards.shard} --shards {wildcards.shards}"
    return f"--shards {len(input.parts)}" if input.parts else ""


def family_code(wildcards):
    return code("score.command", f"score.jobs.{wildcards.family}")


VARIED = ("robustness", "sanity")  # families that compare heatmaps with those of changed images or models
ON_MODEL = ("faithfulness",)  # families that ask the model


def scored_files(wildcards):
    """What a family reads beside the heatmaps themselves."""
    folder = artifacts.data_dir(wildcards.study)
    found = []
    if wildcards.family in VARIED:
        variants = artifacts.variants_dir(wildcards.study, wildcards.model, wildcards.seed, wildcards.fold)
        found += [variants / "maps.npy", variants / "index.parquet"]
    if wildcards.family == "localization" and STUDIES[wildcards.study].data.regions:
        found += [folder / "regions.npy"]
    return found


def family_section(wildcards):
    """The part of section `score` that a family reads; for localization with its regions, and its classes by index."""
    study = STUDIES[wildcards.study]
    options = getattr(study.score, wildcards.family, None)
    found = options.model_dump() if options else {}
    if wildcards.family == "localization":
        found["regions"] = study.data.regions
        if classes := found.pop("classes"):
            found["labels"] = [study.data.class_names.index(name) for name in classes]
    return section(found)


def setting_sentence(wildcards):
    """What the models were trained from and on, for the captions of `snakemake --report`; no job is told."""
    return setting_numbers(STUDIES[wildcards.study].training)["sentence"]


def captioned(path, caption, part, label):
    """An output that `snakemake --report` shows, under its study."""
    labels = {part: label}
    return report(path, caption=f"captions/{caption}.rst", category="{study}", subcategory=part, labels=labels)


def figures(kind):
    """Figures for a paper in one format; the vector ones stand in Snakemake's report too."""
    found = []
    for name in paper_files.FIGURES:
        path = paper_files.folder("{study}") / f"{name}.{kind}"
        caption = "accuracy" if name == "accuracy" else "ranks" if name.endswith("_ranks") else "family"
        label = name.replace("_ranks", ": mean ranks")
        found.append(captioned(path, caption, "figures", label) if kind == "svg" else path)
    return found


def neighbour_asked(study):
    """Whether the nearest thumbnail stands beside the models: where two splits do, or what others published."""
    return bool(study.data.split.compared or any(study.stats.published.values()))


def cue_section(shortcut):
    """How a planted cue is dealt, where there is one."""
    return section(shortcut.model_dump(include={"rate", "test_rate", "label"})) if shortcut else "null"


def ensembles_section(study):
    """How each ensemble is made, and of whom."""
    return section({e: {"combine": found.combine, "models": study.members(e)} for e, found in study.ensembles.items()})


def source_told(study):
    """What the report tells of a source: which rows of its table were left out, and the licences of its images."""
    data = STUDIES[study].data
    told = data.keep or data.leave_out or data.columns.license or study in MULTILABEL
    return [artifacts.data_dir(study) / "source.json"] if told else []
