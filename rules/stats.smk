rule stats:
    input:
        data=artifacts.data_dir("{study}") / "digest.json",
        predictions=lambda wc: [
            artifacts.model_dir(wc.study, m, k) / "predictions.parquet" for m, k in checkpoints(wc.study)
        ],
        scores=lambda wc: score_files(wc.study),
        code=code("artifacts", "stats.command", "stats.study"),
    output:
        [artifacts.stats_dir("{study}") / name for name in STATS_TABLES],
    log:
        "logs/{study}/stats.log",
    benchmark:
        "benchmarks/{study}/stats.tsv"
    conda:
        "../envs/heatproof.yaml"
    threads: 1
    resources:
        mem_mb=2000,
    params:
        models=lambda wc: STUDIES[wc.study].models,
        seeds=lambda wc: STUDIES[wc.study].seeds,
        methods=lambda wc: STUDIES[wc.study].explain.methods,
        config=lambda wc: section(STUDIES[wc.study].stats, {"group_kind": STUDIES[wc.study].group_kind}),
        score=lambda wc: section(STUDIES[wc.study].score.model_dump(include={"families", "primary"})),
    message:
        "test the differences between models, on {wildcards.study}"
    shell:
        "python -m heatproof stats --study {wildcards.study} --models {params.models} --seeds {params.seeds}"
        " --methods {params.methods} --config {params.config:q} --score {params.score:q} 2>&1 | tee {log}"
