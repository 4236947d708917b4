# What `snakemake --report` shows around the results: the verdicts first, on the page that opens.
if workflow.is_main_process:
    verdicts = plainly(board.read)(SETTINGS.scale, SETTINGS.papers)
    config.update(scale=SETTINGS.scale, verdicts=board.rst(board.rows(verdicts)))


report: "../report/workflow.rst"
