# neuron activation profiles, of studies that ask for them
rule profiles:
    input:
        data=artifacts.data_dir("{study}") / "digest.json",
        model=CHECKPOINT.card,
        predictions=CHECKPOINT.predictions,
    output:
        [profiled.profile_dir(CHECKPOINT) / name for name in profiled.CHECKPOINT_FILES],
    log:
        "logs/{study}/{model}/{seed}/{fold}/profiles.log",
    wildcard_constraints:
        fold=EXPLAINED,
    conda:
        "../envs/heatproof.yaml"
    threads: of(lambda job: job.study.compute.threads)
    resources:
        gpu=of(jobs.gpus),
        mem_mb=4000,
    params:
        code=code_of("profile"),
        config=of(lambda job: section(job.study.profiles.of(job.model))),
        compute=of(lambda job: section(job.study.compute)),
    message:
        "profile the feature maps of {wildcards.model}, seed {wildcards.seed}, {wildcards.fold}, on {wildcards.study}"
    shell:
        "python -m heatproof job profile --study {wildcards.study} --model {wildcards.model} --seed {wildcards.seed}"
        " --fold {wildcards.fold} --config {params.config:q} --compute {params.compute:q}"
        " --log {log} 2>&1 | tee {log}"


rule profiles_page:
    input:
        checkpoints=of(files.profiles),
    output:
        profiled.study_files("{study}"),
    log:
        "logs/{study}/profiles.log",
    conda:
        "../envs/heatproof.yaml"
    threads: 1
    resources:
        mem_mb=2000,
    params:
        code=code_of("profiles"),
        models=of(lambda job: job.study.models),
        seeds=of(lambda job: job.study.seeds),
        folds=of(lambda job: job.study.data.split.names),
        config=of(lambda job: section(job.study.profiles.model_dump(exclude={"layers"}))),
        interval=of(lambda job: job.study.stats.interval),
        kind=of(lambda job: job.study.group_kind),
        title=of(lambda job: job.study.report.title or f"Study {job.name}"),
    message:
        "write the page of activation profiles of {wildcards.study}"
    shell:
        "python -m heatproof job profiles --study {wildcards.study} --models {params.models} --seeds {params.seeds}"
        " --folds {params.folds} --config {params.config:q} --interval {params.interval} --group-kind {params.kind}"
        " --title {params.title:q} --log {log} 2>&1 | tee {log}"
