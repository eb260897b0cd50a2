from snakemake.utils import min_version

min_version("9.20")


# reads params.yaml and studies/, checks them, and stops here if anything is wrong
include: "rules/common.smk"
include: "rules/data.smk"
include: "rules/train.smk"
include: "rules/explain.smk"
include: "rules/score.smk"
include: "rules/stats.smk"
include: "rules/profiles.smk"
include: "rules/report.smk"


if workflow.is_main_process:  # not where a cluster runs one job
    before()


onstart:
    begin(log)


onerror:
    repeat_failures(log)


rule all:
    input:
        every(files.results),
    message:
        "everything of " + ", ".join(STUDIES)


rule models:
    input:
        every(lambda job: files.of_models(job, "card.json", compared=True)),
