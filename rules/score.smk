rule score:
    input:
        data=artifacts.data_dir("{study}") / "digest.json",
        model=CHECKPOINT.card,
        maps=CHECKPOINT.heatmaps / "maps.npy",
        index=CHECKPOINT.heatmaps / "index.parquet",
        others=of(files.scored),
        parts=of(files.score_shards),
    output:
        SCORES,
    log:
        "logs/{study}/{model}/{seed}/{fold}/score-{family}.log",
    wildcard_constraints:
        family="|".join(name for name, family in FAMILIES.items() if not (family.across_seeds or family.curves)),
        fold=EXPLAINED,
    conda:
        "../envs/heatproof.yaml"
    threads: of(lambda job: job.study.compute.threads)
    resources:
        gpu=lambda wc, input: 0 if input.parts else of(jobs.scoring_gpus)(wc),
        mem_mb=of(jobs.scoring_memory),
    params:
        code=code_of("score"),
        config=of(sections.score),
        compute=of(sections.scoring),
        shards=shard_options,
    message:
        "score {wildcards.family} of {wildcards.model}, seed {wildcards.seed}, {wildcards.fold}, on {wildcards.study}"
    shell:
        "python -m heatproof job score {wildcards.family} --study {wildcards.study} --model {wildcards.model}"
        " --seed {wildcards.seed} --fold {wildcards.fold}"
        " --config {params.config:q} --compute {params.compute:q} --code {params.code:q} {params.shards}"
        " --log {log} 2>&1 | tee {log}"


# families that store curves beside their scores
use rule score as score_curves with:
    output:
        SCORES,
        CHECKPOINT.curves("{family}"),
    wildcard_constraints:
        family="|".join(families_with("curves")),
        fold=EXPLAINED,


# with compute.shards: some of the images; `score` and `score_curves` join them
use rule score as score_shard with:
    output:
        temp(directory(sealing.folder(SCORES, "{shard}", "{shards}"))),
    log:
        "logs/{study}/{model}/{seed}/{fold}/score-{family}.{shard}of{shards}.log",
    wildcard_constraints:
        family="|".join(families_with("shardable")),
        fold=EXPLAINED,
    message:
        "score {wildcards.family} of {wildcards.model}, seed {wildcards.seed}, {wildcards.fold}:"
        " {wildcards.shard} of {wildcards.shards}"


rule score_seeds:
    input:
        data=artifacts.data_dir("{study}") / "digest.json",
        maps=of(files.compared_maps),
    output:
        CHECKPOINT.at(seed=None).scores("consistency"),
    log:
        "logs/{study}/{model}/{fold}/score-consistency.log",
    wildcard_constraints:
        fold=EXPLAINED,
    conda:
        "../envs/heatproof.yaml"
    threads: of(lambda job: job.study.compute.threads)
    resources:
        mem_mb=2000,
    params:
        code=code_of("consistency"),
        seeds=of(lambda job: job.study.seeds),
        models=of(lambda job: job.study.models),
        compute=of(sections.scoring),
    message:
        "score consistency of {wildcards.model}, {wildcards.fold}, on {wildcards.study}"
    shell:
        "python -m heatproof job score consistency --study {wildcards.study} --model {wildcards.model}"
        " --fold {wildcards.fold} --seeds {params.seeds} --models {params.models} --compute {params.compute:q}"
        " --code {params.code:q}"
        " --log {log} 2>&1 | tee {log}"
