rule score:
    input:
        data=artifacts.data_dir("{study}") / "digest.json",
        model=artifacts.model_dir("{study}", "{model}", "{seed}") / "card.json",
        maps=artifacts.heatmap_dir("{study}", "{model}", "{seed}") / "maps.npy",
        index=artifacts.heatmap_dir("{study}", "{model}", "{seed}") / "index.parquet",
        code=lambda wc: code(
            *SCORE_MODULES,
            f"score.{wc.family}",
            *(["score.subset", "train.checkpoint", "train.model"] if wc.family == "faithfulness" else []),
        ),
    output:
        artifacts.score_path("{study}", "{model}", "{family}", "{seed}"),
    log:
        "logs/{study}/{model}/{seed}/score-{family}.log",
    benchmark:
        "benchmarks/{study}/{model}/{seed}/score-{family}.tsv"
    wildcard_constraints:
        family="localization|faithfulness",
    conda:
        "../envs/heatproof.yaml"
    threads: threads_of
    resources:
        gpu=lambda wc: gpus_of(wc) if wc.family == "faithfulness" else 0,
        mem_mb=4000,
    params:
        config=lambda wc: section(
            {wc.family: getattr(STUDIES[wc.study].score, wc.family).model_dump()}
            if wc.family == "faithfulness"
            else {}
        ),
        compute=lambda wc: section(
            STUDIES[wc.study].compute
            if wc.family == "faithfulness"
            else {"threads": STUDIES[wc.study].compute.threads}
        ),
    message:
        "score {wildcards.family} of {wildcards.model}, seed {wildcards.seed}, on {wildcards.study}"
    shell:
        "python -m heatproof score {wildcards.family} --study {wildcards.study} --model {wildcards.model}"
        " --seed {wildcards.seed} --config {params.config:q} --compute {params.compute:q} 2>&1 | tee {log}"


rule score_seeds:
    input:
        data=artifacts.data_dir("{study}") / "digest.json",
        maps=lambda wc: [
            artifacts.heatmap_dir(wc.study, wc.model, seed) / name
            for seed in STUDIES[wc.study].seeds
            for name in ("maps.npy", "index.parquet")
        ],
        code=code(*SCORE_MODULES, "score.consistency"),
    output:
        artifacts.score_path("{study}", "{model}", "consistency"),
    log:
        "logs/{study}/{model}/score-consistency.log",
    benchmark:
        "benchmarks/{study}/{model}/score-consistency.tsv"
    conda:
        "../envs/heatproof.yaml"
    threads: threads_of
    resources:
        mem_mb=4000,
    params:
        seeds=lambda wc: STUDIES[wc.study].seeds,
        compute=lambda wc: section({"threads": STUDIES[wc.study].compute.threads}),
    message:
        "score consistency of {wildcards.model}, on {wildcards.study}"
    shell:
        "python -m heatproof score consistency --study {wildcards.study} --model {wildcards.model}"
        " --seeds {params.seeds} --compute {params.compute:q} 2>&1 | tee {log}"
