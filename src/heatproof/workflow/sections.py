"""What each job is given of the configuration, as sorted JSON: an edit re-runs the jobs whose section it changes."""

import json

from heatproof.catalogue.families import families_with
from heatproof.config.load import section
from heatproof.stats.results import Setting
from heatproof.stats.statements.general import setting
from heatproof.store import artifacts
from heatproof.text import sentences
from heatproof.workflow.files import data_fingerprint
from heatproof.workflow.job import Job


def data(job: Job) -> str:
    """Return section `data` without how data are audited, and what tells whether images at the source have changed.

    Raises:
        InputError: the source is not there or not of its kind.
    """
    study = job.study
    resolved = {"class_names": study.data.class_names, "group_kind": study.group_kind}
    if study.task != "multiclass":
        resolved["task"] = study.task
    if study.data.audit.columns:
        resolved["about"] = study.data.audit.columns
    if study.data.split.given:  # training needs images to train on and to choose the epoch by
        resolved["trained"] = bool(study.trained)
    resolved["fingerprint"] = data_fingerprint(study.data, artifacts.data_dir(job.name) / "source.json")
    found = study.data.model_dump(exclude={"audit", "regions", "modality"})
    found["phantom"] = study.data.phantom.model_dump(exclude_none=True)
    if found["drawn_as"] is None:
        del found["drawn_as"]
    return section(found, resolved)


def regions(job: Job) -> str:
    """Return the regions to find, what in, the kind of a cue, and the section of the data where lung fields are given
    as masks."""
    found = job.study.data
    parts = {"regions": found.regions} | ({"modality": found.modality} if found.modality != "ct" else {})
    if found.shortcut and found.shortcut.kind != "corner_mark":
        parts["cue"] = found.shortcut.kind
    return section(parts | ({"data": json.loads(data(job))} if found.lungs else {}))


def audit(job: Job) -> str:
    """Return how data are audited, and what of section `data` an audit reads."""
    found = job.study.data
    keys = {"audit", "lookalike", "split", "seed", "shortcut", "kind", "crop", "fit"}
    resolved = {"group_kind": job.study.group_kind, "patients_known": found.patients_known}
    return section(found.model_dump(include=keys), resolved)


def score(job: Job) -> str:
    """Return the part of section `score` that a family reads; of localization with its regions, classes by index."""
    options = getattr(job.study.score, job.family, None)
    found = options.model_dump() if options else {}
    if job.family == "localization":
        found["regions"] = job.study.data.regions
        found |= {"tune": True} if job.study.explain.validation else {}
        if classes := found.pop("classes"):
            found["labels"] = [job.study.data.class_names.index(name) for name in classes]
    return section(found)


def scoring(job: Job) -> str:
    """Return what of section `compute` a family's job reads: all of it where it queries the model."""
    loads_model = job.family in families_with("loads_model")  # the job over seeds names no family
    return section(job.study.compute if loads_model else {"threads": job.study.compute.threads})


def stats(job: Job) -> str:
    """Return section `stats`, and what groups are and are split by."""
    study = job.study
    known = {"group_kind": study.group_kind, "patients_known": study.data.patients_known}
    return section(study.stats, known | {"split_by": study.data.split.by})


def ensembles(job: Job) -> str:
    """Return how each ensemble is made, and of whom."""
    study = job.study
    return section({e: {"combine": found.combine, "models": study.members(e)} for e, found in study.ensembles.items()})


def cue(job: Job) -> str:
    """Return how a planted cue is spread over images, where there is one."""
    shortcut = job.study.data.shortcut
    return section(shortcut.model_dump(include={"rate", "test_rate", "label"})) if shortcut else "null"


def sentence(job: Job) -> str:
    """Return what the models were trained from and on, for the captions of `snakemake --report`; no job reads it."""
    return sentences.sentence(setting(Setting.of(job.study.training)))
