CAPTIONED = ("models", "metrics", "pairs", "controls", "claims")  # tables that `snakemake --report` shows


rule stats:
    input:
        data=artifacts.data_dir("{study}") / "digest.json",
        predictions=lambda wc: [
            artifacts.model_dir(wc.study, *one) / "predictions.parquet" for one in checkpoints(wc.study, compared=True)
        ],
        scores=lambda wc: score_files(wc.study),
        thumbnails=lambda wc: (
            [artifacts.data_dir(wc.study) / "thumbnails.npy"] if neighbour_asked(STUDIES[wc.study]) else []
        ),
        cue=lambda wc: ([artifacts.data_dir(wc.study) / "facts.parquet"] if STUDIES[wc.study].data.shortcut else []),
        registered=REGISTERED,
    output:
        [
            (
                report(
                    artifacts.stats_dir("{study}") / name,
                    caption=f"captions/{name.removesuffix('.csv')}.rst",
                    category="{study}",
                    subcategory="tables",
                    labels={"tables": name},
                )
                if name.removesuffix(".csv") in CAPTIONED
                else artifacts.stats_dir("{study}") / name
            )
            for name in STATS_TABLES
        ],
    log:
        "logs/{study}/stats.log",
    conda:
        "../envs/heatproof.yaml"
    threads: 1
    resources:
        mem_mb=2000,
    params:
        code=lambda wc: code("artifacts", "stats.command", "stats.scores", "stats.study"),
        models=lambda wc: STUDIES[wc.study].named,
        seeds=lambda wc: STUDIES[wc.study].seeds,
        folds=lambda wc: STUDIES[wc.study].data.split.names,
        random=lambda wc: STUDIES[wc.study].data.split.compared,
        ensembles=lambda wc: ensembles_section(STUDIES[wc.study]),
        methods=lambda wc: STUDIES[wc.study].explain.names,
        config=lambda wc: section(
            STUDIES[wc.study].stats,
            {
                "group_kind": STUDIES[wc.study].group_kind,
                "patients_known": STUDIES[wc.study].data.patients_known,
                "split_by": STUDIES[wc.study].data.split.by,
            },
        ),
        score=lambda wc: section(STUDIES[wc.study].score.model_dump(include={"families", "primary"})),
        setting=lambda wc: section(STUDIES[wc.study].training),
        sentence=setting_sentence,
        cue=lambda wc: cue_section(STUDIES[wc.study].data.shortcut),
    message:
        "test the differences between models, on {wildcards.study}"
    shell:
        "python -m heatproof stats --study {wildcards.study} --models {params.models} --seeds {params.seeds}"
        " --folds {params.folds} --random {params.random} --methods {params.methods}"
        " --config {params.config:q} --score-config {params.score:q}"
        " --ensembles {params.ensembles:q} --setting {params.setting:q} --cue {params.cue:q} --log {log} 2>&1 | tee {log}"


if MULTILABEL:

    ruleorder: stats_of_labels > stats

    # where images have several labels: accuracy of each, and over all of them
    use rule stats as stats_of_labels with:
        output:
            stats_files("{study}"),
            [artifacts.stats_dir("{study}") / name for name in LABEL_TABLES],
        wildcard_constraints:
            study="|".join(map(re.escape, MULTILABEL)),
