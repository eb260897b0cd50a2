rule explain:
    input:
        data=artifacts.data_dir("{study}") / "digest.json",
        model=artifacts.model_dir("{study}", "{model}", "{seed}", "{fold}") / "card.json",
        code=explain_code,
    output:
        maps=artifacts.heatmap_dir("{study}", "{model}", "{seed}", "{fold}") / "maps.npy",
        index=artifacts.heatmap_dir("{study}", "{model}", "{seed}", "{fold}") / "index.parquet",
    log:
        "logs/{study}/{model}/{seed}/{fold}/explain.log",
    benchmark:
        "benchmarks/{study}/{model}/{seed}/{fold}/explain.tsv"
    wildcard_constraints:
        fold=EXPLAINED,
    conda:
        "../envs/heatproof.yaml"
    threads: threads_of
    resources:
        gpu=gpus_of,
        mem_mb=4000,
    params:
        config=lambda wc: section(STUDIES[wc.study].explain),
        compute=lambda wc: section(STUDIES[wc.study].compute),
    message:
        "explain {wildcards.model}, seed {wildcards.seed}, {wildcards.fold}, on {wildcards.study}"
    shell:
        "python -m heatproof explain --study {wildcards.study} --model {wildcards.model} --seed {wildcards.seed}"
        " --fold {wildcards.fold} --config {params.config:q} --compute {params.compute:q} 2>&1 | tee {log}"
