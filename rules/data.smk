rule data:
    input:
        code=lambda wc: code(
            "data.command", "data.phantom" if STUDIES[wc.study].data.kind == "phantom" else "data.images"
        ),
    output:
        manifest=artifacts.data_dir("{study}") / "manifest.parquet",
        pixels=artifacts.data_dir("{study}") / "pixels.npy",
        masks=artifacts.data_dir("{study}") / "masks.npy",
        source=artifacts.data_dir("{study}") / "source.json",
        digest=artifacts.data_dir("{study}") / "digest.json",
    log:
        "logs/{study}/data.log",
    benchmark:
        "benchmarks/{study}/data.tsv"
    conda:
        "../envs/heatproof.yaml"
    threads: 1
    resources:
        mem_mb=2000,
    params:
        config=data_section,
    message:
        "data of {wildcards.study}: images, manifest, splits"
    shell:
        "python -m heatproof data --study {wildcards.study} --config {params.config:q} 2>&1 | tee {log}"
