rule data:
    output:
        [artifacts.data_dir("{study}") / name for name in DATA_FILES],
    log:
        "logs/{study}/data.log",
    conda:
        "../envs/heatproof.yaml"
    threads: 1
    resources:
        mem_mb=2000,
    params:
        code=data_code,
        config=data_section,
    message:
        "data of {wildcards.study}: images, manifest, splits"
    shell:
        "python -m heatproof data --study {wildcards.study} --config {params.config:q} --log {log} 2>&1 | tee {log}"


if PLANTED:

    ruleorder: data_planted > data

    use rule data as data_planted with:
        output:
            [artifacts.data_dir("{study}") / name for name in (*DATA_FILES, "seams.npy")],
        wildcard_constraints:
            study="|".join(map(re.escape, PLANTED)),


rule data_regions:
    input:
        data=artifacts.data_dir("{study}") / "digest.json",
    output:
        artifacts.data_dir("{study}") / "regions.npy",
    log:
        "logs/{study}/regions.log",
    conda:
        "../envs/heatproof.yaml"
    threads: 1
    resources:
        mem_mb=2000,
    params:
        code=regions_code,
        config=regions_section,
    message:
        "regions of {wildcards.study}: where body and lungs are"
    shell:
        "python -m heatproof regions --study {wildcards.study} --config {params.config:q} --log {log} 2>&1 | tee {log}"


rule audit:
    input:
        data=audited_files,
    output:
        [artifacts.data_dir("{study}") / name for name in AUDIT_FILES],
    log:
        "logs/{study}/audit.log",
    priority: 1  # said before anything is trained
    conda:
        "../envs/heatproof.yaml"
    threads: 1
    resources:
        mem_mb=2000,
    params:
        code=lambda wc: code("artifacts", "data.audit.command", *(["data.seams"] if wc.study in PLANTED else [])),
        config=audit_section,
    message:
        "audit of {wildcards.study}: copies, leaks, shortcuts"
    shell:
        "python -m heatproof audit --study {wildcards.study} --config {params.config:q} --log {log} 2>&1 | tee {log}"
