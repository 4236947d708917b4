# The jobs of a room: train, measure, judge, draw, record. A job's parameters are its own recipe, settings and code,
# so that a change reruns the jobs that it reaches and what hangs from them, and nothing else.


# Limits how many chunks run side by side in one job of a cluster, not how many there are in all.
resource_scopes:
    chunk="local",


rule train:
    input:
        data=lambda wildcards: paths.prepared(run_of(wildcards).recipe.data),
        parents=lambda wildcards: parents_of(run_of(wildcards)),
    output:
        "results/{scale}/{room}/runs/{run}/chunk-{chunk}.safetensors",
    log:
        "logs/{scale}/{room}/train.{run}.{chunk}.log",
    threads: lambda wildcards: run_of(wildcards).recipe.threads
    resources:
        runtime=resource("runtime"),
        mem_mb=resource("mem_mb"),
        gpu=resource("gpu"),
        chunk=1,
    params:
        **{field.name: recipe_field(field.name) for field in dataclasses.fields(Recipe)},
        code=code(lambda wildcards: roots.train(run_of(wildcards).recipe)),
        number=lambda wildcards: int(wildcards.chunk),
        device=lambda wildcards, output: SETTINGS.device,
    shell:
        LOGGED
        + "python -m isthmus train {wildcards.room:q} {wildcards.run:q} {params.number} --scale {wildcards.scale:q}"
        " --device {params.device:q}"


rule measure:
    input:
        fleets=fleets_of,
        data=lambda wildcards: data_of(room_of(wildcards), table_of(wildcards).runs),
    output:
        "results/{scale}/{room}/tables/{table}.csv",
    log:
        "logs/{scale}/{room}/measure.{table}.log",
    resources:
        runtime=resource("runtime"),
        mem_mb=resource("mem_mb"),
    params:
        table=lambda wildcards: canonical_json(table_of(wildcards).model_dump()),
        code=code(lambda wildcards: roots.measure(room_of(wildcards), wildcards.table)),
    shell:
        LOGGED
        + "python -m isthmus measure {wildcards.room:q} {wildcards.table:q} --scale {wildcards.scale:q}"


rule judge:
    input:
        tables_of,
    output:
        "results/{scale}/{room}/verdict.json",
    log:
        "logs/{scale}/{room}/judge.log",
    localrule: True
    params:
        code=code(lambda wildcards: roots.judge(room_of(wildcards))),
        behind=lambda wildcards: fleets_and_tables(room_of(wildcards)),
        places=lambda wildcards, output: canonical_json(SETTINGS.data),
        paper_setting=lambda wildcards: f"paper_setting={room_of(wildcards).paper_setting}",
    shell:
        LOGGED
        + "python -m isthmus judge {wildcards.room:q} --scale {wildcards.scale:q} --places {params.places:q}"


rule draw:
    input:
        lambda wildcards: room_of(wildcards).table_path(figure_of(wildcards).table),
    output:
        report(
            "results/{scale}/{room}/figures/{figure}.svg",
            category="{room}",
            subcategory=lambda wildcards: room_of(wildcards).card.title,
            caption="../report/figure.rst",
            labels=lambda wildcards: {"figure": wildcards.figure},
        ),
        multiext("results/{scale}/{room}/figures/{figure}", ".pdf", ".png", ".txt"),
    log:
        "logs/{scale}/{room}/draw.{figure}.log",
    localrule: True
    params:
        code=code(lambda wildcards: roots.draw(room_of(wildcards))),
        figure=lambda wildcards: canonical_json(figure_of(wildcards).model_dump()),
        caption=lambda wildcards, output: caption_of(wildcards),
    shell:
        LOGGED
        + "python -m isthmus draw {wildcards.room:q} {wildcards.figure:q} --scale {wildcards.scale:q}"


# The room's last job: what stands behind its results, so that they can travel.
rule record:
    input:
        outputs_of,
    output:
        "results/{scale}/{room}/provenance.json",
    log:
        "logs/{scale}/{room}/record.log",
    localrule: True
    params:
        behind=lambda wildcards: fleets_and_tables(room_of(wildcards)),
        shown=lambda wildcards: claims_and_figures(room_of(wildcards)),
    shell:
        LOGGED
        + "python -m isthmus record {wildcards.room:q} --scale {wildcards.scale:q}"


# `snakemake butterfly` and `snakemake butterfly@gentle`. Each function takes its room as a default argument, since a
# name from the loop would be looked up only after the loop.
for name in (*rooms.slugs(), *plainly(rooms.variants)()):

    rule:
        name:
            name
        input:
            lambda wildcards, name=name: results_of(name),
