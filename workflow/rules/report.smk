# What `snakemake --report` shows around the results: the verdicts first, on the page that opens.
if workflow.is_main_process:
    verdicts = plainly(board.read)(SETTINGS.scale, SETTINGS.papers)
    config.update(scale=SETTINGS.scale, verdicts=board.rst(board.rows(verdicts)))


report: "../report/workflow.rst"


# The pages that `make atlas` ends with. Those of the papers lie beside the index, which is written last: how many they
# are depends on what is there.
rule page:
    input:
        what_an_atlas_shows,
    output:
        "results/{scale}/atlas/index.html",
    log:
        "logs/{scale}/page.log",
    localrule: True
    params:
        code=code(lambda wildcards: roots.page()),
        others=what_else_an_atlas_shows,
    shell:
        LOGGED + "python -m isthmus page --scale {wildcards.scale:q}"
