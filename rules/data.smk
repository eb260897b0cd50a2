rule data:
    output:
        [artifacts.data_dir("{study}") / name for name in files.DATA],
    log:
        "logs/{study}/data.log",
    conda:
        "../envs/heatproof.yaml"
    threads: 1
    resources:
        mem_mb=2000,
    params:
        code=code_of("data"),
        config=of(sections.data),
    message:
        "data of {wildcards.study}: images, manifest, splits"
    shell:
        "python -m heatproof job data --study {wildcards.study} --config {params.config:q} --log {log} 2>&1 | tee {log}"


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
        code=code_of("regions"),
        config=of(sections.regions),
    message:
        "regions of {wildcards.study}: where body and lungs are"
    shell:
        "python -m heatproof job regions --study {wildcards.study} --config {params.config:q} --log {log} 2>&1 | tee {log}"


rule audit:
    input:
        data=[artifacts.data_dir("{study}") / name for name in files.AUDITED],
    output:
        [artifacts.data_dir("{study}") / name for name in files.AUDIT],
    log:
        "logs/{study}/audit.log",
    priority: 1  # said before anything is trained
    conda:
        "../envs/heatproof.yaml"
    threads: 1
    resources:
        mem_mb=2000,
    params:
        code=code_of("audit"),
        config=of(sections.audit),
    message:
        "audit of {wildcards.study}: copies, leaks, shortcuts"
    shell:
        "python -m heatproof job audit --study {wildcards.study} --config {params.config:q} --log {log} 2>&1 | tee {log}"
