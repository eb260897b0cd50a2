# `snakemake --report report.html` makes one page of what the studies left, each file with its caption
report: "captions/workflow.rst"


rule report:
    input:
        data=artifacts.data_dir("{study}") / "digest.json",
        audit=[artifacts.data_dir("{study}") / name for name in ("audit.json", "audit_pairs.csv")],
        stats=lambda wc: stats_files(wc.study),
        source=lambda wc: source_told(wc.study),
        profiles=lambda wc: [profiled.page_path(wc.study)] if STUDIES[wc.study].profiles else [],  # it is linked
        scores=lambda wc: score_files(wc.study),
        predictions=lambda wc: [
            artifacts.model_dir(wc.study, *one) / "predictions.parquet" for one in checkpoints(wc.study)
        ],
        maps=lambda wc: [
            artifacts.heatmap_dir(wc.study, m, STUDIES[wc.study].seeds[0], fold) / name
            for m in STUDIES[wc.study].named
            for fold in STUDIES[wc.study].data.split.names
            for name in ("maps.npy", "index.parquet")
        ],
        registered=REGISTERED,
        separation="src/heatproof/report/separation.csv",
        references="src/heatproof/report/references.bib",
        template=[path.relative_to(ROOT) for path in sorted((ROOT / "src/heatproof/report/templates").iterdir())],
    output:
        captioned(artifacts.report_path("{study}"), "page", "report", "the whole report"),
        figures("svg"),
        figures("png"),
        [paper_files.folder("{study}") / f"{name}.tex" for name in paper_files.TABLES],
        [paper_files.folder("{study}") / name for name in paper_files.TEXTS],
        paper_files.provenance("{study}"),
    log:
        "logs/{study}/report.log",
    conda:
        "../envs/heatproof.yaml"
    threads: 1
    resources:
        mem_mb=2000,
    params:
        code=lambda wc: code("artifacts", "report.command", "report.inputs", "report.page", "report.paper"),
        models=lambda wc: STUDIES[wc.study].named,
        seeds=lambda wc: STUDIES[wc.study].seeds,
        folds=lambda wc: STUDIES[wc.study].data.split.names,
        methods=lambda wc: STUDIES[wc.study].explain.names,
        config=lambda wc: section(STUDIES[wc.study].report),
        study=lambda wc: section(STUDIES[wc.study]),
        sentence=setting_sentence,
    message:
        "write the report of {wildcards.study}"
    shell:
        "python -m heatproof report --study {wildcards.study} --models {params.models} --seeds {params.seeds}"
        " --folds {params.folds} --methods {params.methods} --config {params.config:q}"
        " --study-config {params.study:q} --log {log} 2>&1 | tee {log}"
