rule train:
    input:
        data=artifacts.data_dir("{study}") / "digest.json",
        weights=weights_file,
    output:
        card=artifacts.model_dir("{study}", "{model}", "{seed}", "{fold}") / "card.json",
        weights=artifacts.model_dir("{study}", "{model}", "{seed}", "{fold}") / "model.safetensors",
        predictions=artifacts.model_dir("{study}", "{model}", "{seed}", "{fold}") / "predictions.parquet",
        history=artifacts.model_dir("{study}", "{model}", "{seed}", "{fold}") / "history.csv",
    log:
        "logs/{study}/{model}/{seed}/{fold}/train.log",
    wildcard_constraints:
        model=A_MODEL,
    conda:
        "../envs/heatproof.yaml"
    threads: threads_of
    resources:
        gpu=gpus_of,
        mem_mb=memory_of_training,
    params:
        code=lambda wc: code("train.command"),
        config=lambda wc: section(recipe(wc)),
        compute=lambda wc: section(STUDIES[wc.study].compute),
    message:
        "train {wildcards.model}, seed {wildcards.seed}, {wildcards.fold}, on {wildcards.study}"
    shell:
        "python -m heatproof train --study {wildcards.study} --model {wildcards.model} --seed {wildcards.seed}"
        " --fold {wildcards.fold} --config {params.config:q} --compute {params.compute:q} --log {log} 2>&1 | tee {log}"


rule ensemble:
    input:
        cards=lambda wc: [artifacts.model_dir(wc.study, m, wc.seed, wc.fold) / "card.json" for m in members(wc)],
        predictions=lambda wc: [
            artifacts.model_dir(wc.study, m, wc.seed, wc.fold) / "predictions.parquet" for m in members(wc)
        ],
    output:
        card=artifacts.model_dir("{study}", "{model}", "{seed}", "{fold}") / "card.json",
        predictions=artifacts.model_dir("{study}", "{model}", "{seed}", "{fold}") / "predictions.parquet",
    log:
        "logs/{study}/{model}/{seed}/{fold}/ensemble.log",
    wildcard_constraints:
        model=AN_ENSEMBLE,
    conda:
        "../envs/heatproof.yaml"
    threads: 1
    resources:
        mem_mb=2000,
    params:
        code=lambda wc: code("train.ensemble_command"),
        combine=lambda wc: STUDIES[wc.study].ensembles[wc.model].combine,
        members=members,
    message:
        "{wildcards.model} of {params.members}, seed {wildcards.seed}, {wildcards.fold}, on {wildcards.study}"
    shell:
        "python -m heatproof ensemble --study {wildcards.study} --model {wildcards.model} --seed {wildcards.seed}"
        " --fold {wildcards.fold} --combine {params.combine} --members {params.members} --log {log} 2>&1 | tee {log}"
