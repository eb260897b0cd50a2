rule train:
    input:
        data=artifacts.data_dir("{study}") / "digest.json",
        weights=weights_file,
        code=code("train.command"),
    output:
        card=artifacts.model_dir("{study}", "{model}", "{seed}") / "card.json",
        weights=artifacts.model_dir("{study}", "{model}", "{seed}") / "model.safetensors",
        predictions=artifacts.model_dir("{study}", "{model}", "{seed}") / "predictions.parquet",
        history=artifacts.model_dir("{study}", "{model}", "{seed}") / "history.csv",
    log:
        "logs/{study}/{model}/{seed}/train.log",
    benchmark:
        "benchmarks/{study}/{model}/{seed}/train.tsv"
    conda:
        "../envs/heatproof.yaml"
    threads: threads_of
    resources:
        gpu=gpus_of,
        mem_mb=6000,
    params:
        config=lambda wc: section(recipe(wc)),
        compute=lambda wc: section(STUDIES[wc.study].compute),
    message:
        "train {wildcards.model}, seed {wildcards.seed}, on {wildcards.study}"
    shell:
        "python -m heatproof train --study {wildcards.study} --model {wildcards.model} --seed {wildcards.seed}"
        " --config {params.config:q} --compute {params.compute:q} 2>&1 | tee {log}"
