rule score:
    input:
        data=artifacts.data_dir("{study}") / "digest.json",
        model=artifacts.model_dir("{study}", "{model}", "{seed}", "{fold}") / "card.json",
        maps=artifacts.heatmap_dir("{study}", "{model}", "{seed}", "{fold}") / "maps.npy",
        index=artifacts.heatmap_dir("{study}", "{model}", "{seed}", "{fold}") / "index.parquet",
        others=scored_files,
        parts=score_parts,
    output:
        artifacts.score_path("{study}", "{model}", "{family}", "{fold}", "{seed}"),
    log:
        "logs/{study}/{model}/{seed}/{fold}/score-{family}.log",
    wildcard_constraints:
        family="|".join(family for family in families() if family != "consistency"),
        fold=EXPLAINED,
    conda:
        "../envs/heatproof.yaml"
    threads: threads_of
    resources:
        gpu=lambda wc, input: gpus_of(wc) if wc.family in ON_MODEL and not input.parts else 0,
        mem_mb=lambda wc: 4000 if wc.family in ON_MODEL else 2000,
    params:
        code=family_code,
        config=family_section,
        compute=lambda wc: section(
            STUDIES[wc.study].compute if wc.family in ON_MODEL else {"threads": STUDIES[wc.study].compute.threads}
        ),
        shards=shard_options,
    message:
        "score {wildcards.family} of {wildcards.model}, seed {wildcards.seed}, {wildcards.fold}, on {wildcards.study}"
    shell:
        "python -m heatproof score {wildcards.family} --study {wildcards.study} --model {wildcards.model}"
        " --seed {wildcards.seed} --fold {wildcards.fold}"
        " --config {params.config:q} --compute {params.compute:q} {params.shards} --log {log} 2>&1 | tee {log}"


# with compute.shards: some of the images; `score` joins them
use rule score as score_shard with:
    input:
        data=artifacts.data_dir("{study}") / "digest.json",
        model=artifacts.model_dir("{study}", "{model}", "{seed}", "{fold}") / "card.json",
        maps=artifacts.heatmap_dir("{study}", "{model}", "{seed}", "{fold}") / "maps.npy",
        index=artifacts.heatmap_dir("{study}", "{model}", "{seed}", "{fold}") / "index.parquet",
        others=scored_files,
    output:
        temp(
            directory(
                shards.folder(
                    artifacts.score_path("{study}", "{model}", "{family}", "{fold}", "{seed}"), "{shard}", "{shards}"
                )
            )
        ),
    log:
        "logs/{study}/{model}/{seed}/{fold}/score-{family}.{shard}of{shards}.log",
    wildcard_constraints:
        family="|".join(SHARDED),
        fold=EXPLAINED,
    resources:
        gpu=lambda wc: gpus_of(wc) if wc.family in ON_MODEL else 0,
        mem_mb=lambda wc: 4000 if wc.family in ON_MODEL else 2000,
    message:
        "score {wildcards.family} of {wildcards.model}, seed {wildcards.seed}, {wildcards.fold}:"
        " {wildcards.shard} of {wildcards.shards}"


rule score_seeds:
    input:
        data=artifacts.data_dir("{study}") / "digest.json",
        maps=lambda wc: [
            artifacts.heatmap_dir(wc.study, model, seed, wc.fold) / name
            for model in dict.fromkeys([*STUDIES[wc.study].models, wc.model])
            for seed in STUDIES[wc.study].seeds
            for name in ("maps.npy", "index.parquet")
        ],
    output:
        artifacts.score_path("{study}", "{model}", "consistency", "{fold}"),
    log:
        "logs/{study}/{model}/{fold}/score-consistency.log",
    wildcard_constraints:
        fold=EXPLAINED,
    conda:
        "../envs/heatproof.yaml"
    threads: threads_of
    resources:
        mem_mb=2000,
    params:
        code=lambda wc: code("score.command", "score.jobs.consistency"),
        seeds=lambda wc: STUDIES[wc.study].seeds,
        models=lambda wc: STUDIES[wc.study].models,
        compute=lambda wc: section({"threads": STUDIES[wc.study].compute.threads}),
    message:
        "score consistency of {wildcards.model}, {wildcards.fold}, on {wildcards.study}"
    shell:
        "python -m heatproof score consistency --study {wildcards.study} --model {wildcards.model}"
        " --fold {wildcards.fold} --seeds {params.seeds} --models {params.models} --compute {params.compute:q} --log {log} 2>&1 | tee {log}"
