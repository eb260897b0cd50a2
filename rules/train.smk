rule train:
    input:
        data=artifacts.data_dir("{study}") / "digest.json",
        weights=weights_file,
        code=code("train.command"),
    output:
        card=artifacts.model_dir("{study}", "{model}", "{seed}", "{fold}") / "card.json",
        weights=artifacts.model_dir("{study}", "{model}", "{seed}", "{fold}") / "model.safetensors",
        predictions=artifacts.model_dir("{study}", "{model}", "{seed}", "{fold}") / "predictions.parquet",
        history=artifacts.model_dir("{study}", "{model}", "{seed}", "{fold}") / "history.csv",
    log:
        "logs/{study}/{model}/{seed}/{fold}/train.log",
    benchmark:
        "benchmarks/{study}/{model}/{seed}/{fold}/train.tsv"
    conda:
        "../envs/heatproof.yaml"
    threads: threads_of
    resources:
        gpu=gpus_of,
        mem_mb=memory_of_training,
    params:
        config=lambda wc: section(recipe(wc)),
        compute=lambda wc: section(STUDIES[wc.study].compute),
    message:
        "train {wildcards.model}, seed {wildcards.seed}, {wildcards.fold}, on {wildcards.study}"
    shell:
        "python -m heatproof train --study {wildcards.study} --model {wildcards.model} --seed {wildcards.seed}"
        " --fold {wildcards.fold} --config {params.config:q} --compute {params.compute:q} 2>&1 | tee {log}"
