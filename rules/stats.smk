rule stats:
    input:
        data=artifacts.data_dir("{study}") / "digest.json",
        predictions=of(lambda job: files.of_models(job, "predictions.parquet", compared=True)),
        scores=of(files.scores),
        blanked=of(files.blanked),
        images=[artifacts.data_dir("{study}") / name for name in ("thumbnails.npy", "facts.parquet")],
    output:
        shown(artifacts.stats_dir("{study}") / name for name in files.STATS),
    log:
        "logs/{study}/stats.log",
    conda:
        "../envs/heatproof.yaml"
    threads: 1
    resources:
        mem_mb=2000,
    params:
        code=code_of("stats"),
        models=of(lambda job: job.study.named),
        seeds=of(lambda job: job.study.seeds),
        folds=of(lambda job: job.study.data.split.names),
        random=of(lambda job: job.study.data.split.compared),
        ensembles=of(sections.ensembles),
        methods=of(lambda job: job.study.explain.names),
        config=of(sections.stats),
        score=of(lambda job: section(job.study.score.model_dump(include={"families", "primary"}))),
        setting=of(lambda job: section(job.study.training)),
        sentence=of(sections.sentence),
        cue=of(sections.cue),
        blank=of(lambda job: job.study.data.audit.blank),
    message:
        "test the differences between models, on {wildcards.study}"
    shell:
        "python -m heatproof job stats --study {wildcards.study} --models {params.models} --seeds {params.seeds}"
        " --folds {params.folds} --random {params.random} --methods {params.methods}"
        " --config {params.config:q} --score-config {params.score:q}"
        " --ensembles {params.ensembles:q} --setting {params.setting:q} --cue {params.cue:q}"
        " --blank {params.blank} --log {log} 2>&1 | tee {log}"
