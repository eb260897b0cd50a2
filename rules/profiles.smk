# neuron activation profiles, of studies that ask for them
rule profiles:
    input:
        data=artifacts.data_dir("{study}") / "digest.json",
        model=artifacts.model_dir("{study}", "{model}", "{seed}", "{fold}") / "card.json",
        predictions=artifacts.model_dir("{study}", "{model}", "{seed}", "{fold}") / "predictions.parquet",
    output:
        [profiled.profile_dir("{study}", "{model}", "{seed}", "{fold}") / name for name in profiled.CHECKPOINT_FILES],
    log:
        "logs/{study}/{model}/{seed}/{fold}/profiles.log",
    wildcard_constraints:
        fold=EXPLAINED,
    conda:
        "../envs/heatproof.yaml"
    threads: threads_of
    resources:
        gpu=gpus_of,
        mem_mb=4000,
    params:
        code=lambda wc: code("artifacts", "profiles.command", "profiles.measure"),
        config=lambda wc: section(STUDIES[wc.study].profiles.of(wc.model)),
        compute=lambda wc: section(STUDIES[wc.study].compute),
    message:
        "profile the feature maps of {wildcards.model}, seed {wildcards.seed}, {wildcards.fold}, on {wildcards.study}"
    shell:
        "python -m heatproof profiles --study {wildcards.study} --model {wildcards.model} --seed {wildcards.seed}"
        " --fold {wildcards.fold} --config {params.config:q} --compute {params.compute:q}"
        " --log {log} 2>&1 | tee {log}"


rule profiles_page:
    input:
        checkpoints=lambda wc: profiled_checkpoints(wc.study),
        template=[
            path.relative_to(ROOT)
            for folder in ("profiles", "report")
            for path in sorted((ROOT / "src/heatproof" / folder / "templates").iterdir())
        ],
    output:
        [profiled.study_dir("{study}") / f"{name}.csv" for name in profiled.STUDY_TABLES],
        profiled.page_path("{study}"),
    log:
        "logs/{study}/profiles.log",
    conda:
        "../envs/heatproof.yaml"
    threads: 1
    resources:
        mem_mb=2000,
    params:
        code=lambda wc: code("artifacts", "profiles.command", "profiles.study", "profiles.page"),
        models=lambda wc: STUDIES[wc.study].models,
        seeds=lambda wc: STUDIES[wc.study].seeds,
        folds=lambda wc: STUDIES[wc.study].data.split.names,
        config=lambda wc: section(STUDIES[wc.study].profiles.model_dump(exclude={"layers"})),
        interval=lambda wc: STUDIES[wc.study].stats.interval,
        kind=lambda wc: STUDIES[wc.study].group_kind,
        title=lambda wc: STUDIES[wc.study].report.title or f"Study {wc.study}",
    message:
        "write the page of activation profiles of {wildcards.study}"
    shell:
        "python -m heatproof profiles --study {wildcards.study} --models {params.models} --seeds {params.seeds}"
        " --folds {params.folds} --config {params.config:q} --interval {params.interval} --group-kind {params.kind}"
        " --title {params.title:q} --log {log} 2>&1 | tee {log}"
