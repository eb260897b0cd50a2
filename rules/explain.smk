rule explain:
    input:
        data=artifacts.data_dir("{study}") / "digest.json",
        model=artifacts.model_dir("{study}", "{model}", "{seed}", "{fold}") / "card.json",
        external=external_files,
        parts=heatmap_parts,
    output:
        maps=artifacts.heatmap_dir("{study}", "{model}", "{seed}", "{fold}") / "maps.npy",
        index=artifacts.heatmap_dir("{study}", "{model}", "{seed}", "{fold}") / "index.parquet",
    log:
        "logs/{study}/{model}/{seed}/{fold}/explain.log",
    wildcard_constraints:
        fold=EXPLAINED,
    conda:
        "../envs/heatproof.yaml"
    threads: threads_of
    resources:
        gpu=lambda wc, input: 0 if input.parts else gpus_of(wc),
        mem_mb=4000,
    params:
        code=explain_code,
        config=lambda wc: section(STUDIES[wc.study].explaining(wc.model, without="variants")),
        compute=lambda wc: section(STUDIES[wc.study].compute),
        shards=shard_options,
    message:
        "explain {wildcards.model}, seed {wildcards.seed}, {wildcards.fold}, on {wildcards.study}"
    shell:
        "python -m heatproof explain --study {wildcards.study} --model {wildcards.model} --seed {wildcards.seed}"
        " --fold {wildcards.fold} --config {params.config:q} --compute {params.compute:q} {params.shards}"
        " --log {log} 2>&1 | tee {log}"


# with compute.shards: some of the images; `explain` joins them
use rule explain as explain_shard with:
    input:
        data=artifacts.data_dir("{study}") / "digest.json",
        model=artifacts.model_dir("{study}", "{model}", "{seed}", "{fold}") / "card.json",
        external=external_files,
    output:
        temp(
            directory(
                shards.folder(
                    artifacts.heatmap_dir("{study}", "{model}", "{seed}", "{fold}") / "maps.npy", "{shard}", "{shards}"
                )
            )
        ),
    log:
        "logs/{study}/{model}/{seed}/{fold}/explain.{shard}of{shards}.log",
    resources:
        gpu=gpus_of,
        mem_mb=4000,
    message:
        "explain {wildcards.model}, seed {wildcards.seed}, {wildcards.fold}: {wildcards.shard} of {wildcards.shards}"


rule explain_variants:
    input:
        data=artifacts.data_dir("{study}") / "digest.json",
        model=artifacts.model_dir("{study}", "{model}", "{seed}", "{fold}") / "card.json",
        shuffled=shuffled_card,
    output:
        maps=artifacts.variants_dir("{study}", "{model}", "{seed}", "{fold}") / "maps.npy",
        index=artifacts.variants_dir("{study}", "{model}", "{seed}", "{fold}") / "index.parquet",
    log:
        "logs/{study}/{model}/{seed}/{fold}/explain-variants.log",
    wildcard_constraints:
        fold=EXPLAINED,
    conda:
        "../envs/heatproof.yaml"
    threads: threads_of
    resources:
        gpu=gpus_of,
        mem_mb=4000,
    params:
        code=lambda wc: explain_code(wc, "explain.variants"),
        config=lambda wc: section(STUDIES[wc.study].explaining(wc.model, without="external")),
        compute=lambda wc: section(STUDIES[wc.study].compute),
        shuffled=lambda wc: "--random-labels" if shuffled_card(wc) else "",
    message:
        "explain {wildcards.model}, seed {wildcards.seed}, {wildcards.fold}, with images and weights changed"
    shell:
        "python -m heatproof explain --variants {params.shuffled} --study {wildcards.study} --model {wildcards.model}"
        " --seed {wildcards.seed} --fold {wildcards.fold} --config {params.config:q} --compute {params.compute:q}"
        " --log {log} 2>&1 | tee {log}"
