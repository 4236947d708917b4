# The door: snakemake, called in the project's root, finds the workflow here. A file that only includes another has no
# default target, so it is stated.
include: "workflow/Snakefile"


rule atlas:
    default_target: True
    input:
        every_result,
