# `snakemake --report report.html` makes one page of what the studies left, each file with its caption
report: "captions/workflow.rst"


rule report:
    input:
        data=artifacts.data_dir("{study}") / "digest.json",
        audit=[artifacts.data_dir("{study}") / name for name in ("audit.json", "audit_pairs.csv")],
        stats=[artifacts.stats_dir("{study}") / name for name in files.STATS],
        source=of(files.source),
        profiles=of(lambda job: [profiled.page_path(job.name)] if job.study.profiles.by else []),
        scores=of(files.scores),
        curves=of(files.curves),
        predictions=of(lambda job: files.of_models(job, "predictions.parquet")),
        maps=of(files.shown_maps),
    output:
        shown([artifacts.report_path("{study}"), *artifacts.paths("{study}")]),
        artifacts.provenance("{study}"),
    log:
        "logs/{study}/report.log",
    conda:
        "../envs/heatproof.yaml"
    threads: 1
    resources:
        mem_mb=2000,
    params:
        code=code_of("report"),
        models=of(lambda job: job.study.named),
        seeds=of(lambda job: job.study.seeds),
        folds=of(lambda job: job.study.data.split.names),
        methods=of(lambda job: job.study.explain.names),
        config=of(lambda job: section(job.study.report)),
        study=of(lambda job: section(job.study)),
        sentence=of(sections.sentence),
    message:
        "write the report of {wildcards.study}"
    shell:
        "python -m heatproof job report --study {wildcards.study} --models {params.models} --seeds {params.seeds}"
        " --folds {params.folds} --methods {params.methods} --config {params.config:q}"
        " --study-config {params.study:q} --log {log} 2>&1 | tee {log}"
