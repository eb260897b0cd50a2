import atexit
import os
import re
import sys
from pathlib import Path

ROOT = Path(workflow.basedir)  # of a clone, which has the code beside it, or of what a wheel brought
if (ROOT / "src").is_dir():
    sys.path.insert(0, str(ROOT / "src"))

from snakemake.settings.types import DeploymentMethod

from heatproof.catalogue.families import FAMILIES, families_with
from heatproof.config.load import load, section
from heatproof.core.messages import InputError
from heatproof.profiles import files as profiled
from heatproof.store import artifacts, locks, sealing
from heatproof.workflow import files, sections, workers
from heatproof.workflow.code import code, code_by_method
from heatproof.workflow import job as jobs
from heatproof.workflow.job import Job
from snakemake_logger_plugin_heatproof import failures


def stop(error):
    print(error, file=sys.stderr)
    raise SystemExit(1)


if set("{}") & set(str(ROOT)):
    stop(f"{ROOT}: Snakemake takes braces for wildcards: give the folder another name")


try:
    STUDIES = load(overrides=workflow.config_settings.overwrite_config)
except InputError as error:
    stop(error)


CONDA = DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method
if CONDA and not (ROOT / "src").is_dir():
    stop("--sdm conda: environments of conda have no heatproof of their own: run it in a clone")
os.environ |= jobs.variables(ROOT, CONDA)
shell.prefix(jobs.PREFIX)


envvars:
    jobs.GPU,


# No more jobs at once than this machine's memory holds, unless --resources says otherwise. Profiles of clusters have to:
# which executor runs the jobs is not known yet.
if workflow.is_main_process and not {"mem", "mem_mb", "mem_mib"} & set(workflow.global_resources):
    workflow.register_resource("mem_mb", os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 10**6)


CHECKPOINT = artifacts.Checkpoint("{study}", "{model}", "{seed}", "{fold}")
SCORES = CHECKPOINT.scores("{family}")
ENSEMBLES = "|".join(sorted({name for study in STUDIES.values() for name in study.ensembles})) or "(?!)"
EXPLAINED = r"fold\d+"  # a random split is trained on and tested for comparison; nothing of it is explained


wildcard_constraints:
    study="|".join(map(re.escape, STUDIES)),  # what another one left may be an input, and is not made
    model="[^/]+",
    seed=r"\d+",
    shard=r"\d+",
    shards=r"\d+",
    fold=artifacts.TRAINED,


def of(function):
    """Make a function of a job one of a rule's wildcards."""

    def of_wildcards(wildcards):
        try:
            return function(Job.of(STUDIES, dict(wildcards.items())))
        except InputError as error:
            stop(error)

    return of_wildcards


def code_of(name):
    """Make a job's name a function of wildcards that returns the digest of its code: a parameter and no inputs, as
    Snakemake looks at each input of each job that is ready whenever one ends."""
    return of(lambda job: code(name, job))


def every(function):
    """Return what a function returns for each study, one after the other."""
    return [path for name, study in STUDIES.items() for path in function(Job(name, study))]


def shown(paths):
    """Mark the outputs that `snakemake --report` shows."""
    return [report(path, **found) if (found := files.caption(path)) else path for path in paths]


def shard_options(wildcards, input):
    """Ask for the input, so that Snakemake takes no note of it: how many shards there are is no reason to run."""
    if "shard" in wildcards.keys():
        return f"--shard {wildcards.shard} --shards {wildcards.shards}"
    return f"--shards {len(input.parts)}" if input.parts else ""


def timeout(wildcards, input):
    """How long a model that was trained elsewhere may take; no reason to run, as above."""
    study = STUDIES[wildcards.study]
    return f"--timeout {study.compute.timeout}" if wildcards.model in study.networks else ""


def before():
    """Refuse link types of DVC through which jobs would write, and remove the locks that a killed Snakemake left."""
    try:
        jobs.check_type()
        with locks.idle():
            pass
    except InputError as error:
        stop(error)


def begin(logs):
    """One Snakemake a folder; no job of a killed one may still write, and this one's can."""
    try:
        locks.begin(locks.clear, *logs[:1], studies=STUDIES)
        artifacts.check_writable(STUDIES)
    except InputError as error:
        stop(error)
    if not workflow.non_local_exec:
        os.environ.setdefault(locks.POOL, str(locks.pool()))
    threads = {study.compute.threads for study in STUDIES.values()}
    if not (CONDA or workflow.non_local_exec) and len(threads) == 1:
        workers.start(jobs.warm_modules(STUDIES.values()), threads.pop())


def repeat_failures(log):
    """Print at the very end, below all that Snakemake quotes, why each job failed; `make run` has shown it."""
    if "heatproof" not in workflow.logger_manager.settings.log_handler_settings:
        atexit.register(lambda: print(*failures(log), sep="\n", file=sys.stderr))
