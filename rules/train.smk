rule train:
    input:
        data=artifacts.data_dir("{study}") / "digest.json",
        weights=of(files.weights),
    output:
        card=CHECKPOINT.card,
        weights=CHECKPOINT.weights,
        predictions=CHECKPOINT.predictions,
        history=CHECKPOINT.folder / "history.csv",
    log:
        "logs/{study}/{model}/{seed}/{fold}/train.log",
    wildcard_constraints:
        model=f"(?!({ENSEMBLES})/)[^/]+",
    conda:
        "../envs/heatproof.yaml"
    threads: of(lambda job: job.study.compute.threads)
    resources:
        gpu=of(jobs.gpus),
        mem_mb=of(jobs.training_memory),
    params:
        code=code_of("train"),
        config=of(lambda job: section(job.recipe)),
        compute=of(lambda job: section(job.study.compute)),
        timeout=timeout,
    message:
        "train {wildcards.model}, seed {wildcards.seed}, {wildcards.fold}, on {wildcards.study}"
    shell:
        "python -m heatproof job train --study {wildcards.study} --model {wildcards.model} --seed {wildcards.seed}"
        " --fold {wildcards.fold} --config {params.config:q} --compute {params.compute:q} {params.timeout}"
        " --log {log} 2>&1 | tee {log}"


rule blank:
    input:
        images=[artifacts.data_dir("{study}") / name for name in ("digest.json", "regions.npy")],
        model=CHECKPOINT.card,
    output:
        CHECKPOINT.blanked,
    log:
        "logs/{study}/{model}/{seed}/{fold}/blank.log",
    conda:
        "../envs/heatproof.yaml"
    threads: of(lambda job: job.study.compute.threads)
    resources:
        gpu=of(jobs.gpus),
        mem_mb=4000,
    params:
        code=code_of("blank"),
        compute=of(lambda job: section(job.study.compute)),
        blank=of(lambda job: job.study.data.audit.blank),
        regions=of(lambda job: job.study.data.regions),
    message:
        "predict with {wildcards.model}, seed {wildcards.seed}, {wildcards.fold}, where {params.blank} are blanked"
    shell:
        "python -m heatproof job blank --study {wildcards.study} --model {wildcards.model} --seed {wildcards.seed}"
        " --fold {wildcards.fold} --blank {params.blank} --regions {params.regions} --compute {params.compute:q}"
        " --log {log} 2>&1 | tee {log}"


rule ensemble:
    input:
        members=of(files.members),
    output:
        card=CHECKPOINT.card,
        predictions=CHECKPOINT.predictions,
    log:
        "logs/{study}/{model}/{seed}/{fold}/ensemble.log",
    wildcard_constraints:
        model=ENSEMBLES,
    conda:
        "../envs/heatproof.yaml"
    threads: 1
    resources:
        mem_mb=2000,
    params:
        code=code_of("ensemble"),
        combine=of(lambda job: job.study.ensembles[job.model].combine),
        members=of(lambda job: job.study.members(job.model)),
    message:
        "{wildcards.model} of {params.members}, seed {wildcards.seed}, {wildcards.fold}, on {wildcards.study}"
    shell:
        "python -m heatproof job ensemble --study {wildcards.study} --model {wildcards.model} --seed {wildcards.seed}"
        " --fold {wildcards.fold} --combine {params.combine} --members {params.members} --log {log} 2>&1 | tee {log}"
