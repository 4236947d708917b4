# Data sets, prepared once for all rooms that use them.


# `output` among a function's arguments makes Snakemake leave its value out of what triggers a rebuild.
rule prepare:
    output:
        "data/prepared/{key}.safetensors",
    log:
        "logs/data/{key}.log",
    localrule: True
    resources:
        runtime=30,
        mem_mb=4000,
    params:
        code=code(lambda wildcards: roots.prepare()),
        data=checksum_of,
        places=lambda wildcards, output: canonical_json(SETTINGS.data),
    shell:
        LOGGED + "python -m isthmus data {wildcards.key:q} --places {params.places:q}"


rule data:
    input:
        every_data_set,
