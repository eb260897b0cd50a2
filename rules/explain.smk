rule explain:
    input:
        data=artifacts.data_dir("{study}") / "digest.json",
        model=CHECKPOINT.card,
        external=of(files.external),
        parts=of(files.map_shards),
    output:
        maps=CHECKPOINT.heatmaps / "maps.npy",
        index=CHECKPOINT.heatmaps / "index.parquet",
    log:
        "logs/{study}/{model}/{seed}/{fold}/explain.log",
    wildcard_constraints:
        fold=EXPLAINED,
    conda:
        "../envs/heatproof.yaml"
    threads: of(lambda job: job.study.compute.threads)
    resources:
        gpu=lambda wc, input: 0 if input.parts else of(jobs.gpus)(wc),
        mem_mb=4000,
    params:
        code=of(lambda job: code_by_method("explain", job)),
        config=of(lambda job: section(job.study.explaining(job.model, without="variants"))),
        compute=of(lambda job: section(job.study.compute)),
        shards=shard_options,
    message:
        "explain {wildcards.model}, seed {wildcards.seed}, {wildcards.fold}, on {wildcards.study}"
    shell:
        "python -m heatproof job explain --study {wildcards.study} --model {wildcards.model} --seed {wildcards.seed}"
        " --fold {wildcards.fold} --config {params.config:q} --compute {params.compute:q} --code {params.code:q}"
        " {params.shards}"
        " --log {log} 2>&1 | tee {log}"


# with compute.shards: some of the images; `explain` joins them
use rule explain as explain_shard with:
    output:
        temp(directory(sealing.folder(CHECKPOINT.heatmaps / "maps.npy", "{shard}", "{shards}"))),
    log:
        "logs/{study}/{model}/{seed}/{fold}/explain.{shard}of{shards}.log",
    message:
        "explain {wildcards.model}, seed {wildcards.seed}, {wildcards.fold}: {wildcards.shard} of {wildcards.shards}"


use rule explain as explain_validation with:
    input:
        data=artifacts.data_dir("{study}") / "digest.json",
        model=CHECKPOINT.card,
    output:
        maps=CHECKPOINT.validation / "maps.npy",
        index=CHECKPOINT.validation / "index.parquet",
    log:
        "logs/{study}/{model}/{seed}/{fold}/explain-validation.log",
    resources:
        gpu=of(jobs.gpus),
        mem_mb=4000,
    params:
        code=of(lambda job: code_by_method("explain", job)),
        config=of(lambda job: section(job.study.explaining(job.model, without="variants", validation=True))),
        compute=of(lambda job: section(job.study.compute)),
        shards="--validation",
    message:
        "explain {wildcards.model}, seed {wildcards.seed}, {wildcards.fold}, of validation images, on {wildcards.study}"


rule explain_variants:
    input:
        data=artifacts.data_dir("{study}") / "digest.json",
        model=CHECKPOINT.card,
        shuffled=of(files.shuffled_card),
    output:
        maps=CHECKPOINT.variants / "maps.npy",
        index=CHECKPOINT.variants / "index.parquet",
    log:
        "logs/{study}/{model}/{seed}/{fold}/explain-variants.log",
    wildcard_constraints:
        fold=EXPLAINED,
    conda:
        "../envs/heatproof.yaml"
    threads: of(lambda job: job.study.compute.threads)
    resources:
        gpu=of(jobs.gpus),
        mem_mb=4000,
    params:
        code=of(lambda job: code_by_method("variants", job)),
        config=of(lambda job: section(job.study.explaining(job.model, without="external"))),
        compute=of(lambda job: section(job.study.compute)),
        shuffled=of(lambda job: "--random-labels" if files.shuffled_card(job) else ""),
    message:
        "explain {wildcards.model}, seed {wildcards.seed}, {wildcards.fold}, with images and weights changed"
    shell:
        "python -m heatproof job variants --study {wildcards.study} --model {wildcards.model} --seed {wildcards.seed}"
        " --fold {wildcards.fold} --config {params.config:q} --compute {params.compute:q} --code {params.code:q}"
        " {params.shuffled}"
        " --log {log} 2>&1 | tee {log}"
