# `make atlas` builds everything and shows what came of it, `make test` runs the whole test suite. Both make .venv first
# where it is missing or older than the lock.
PYTHON ?= python3
CORES ?= all
SCALE ?= laptop

READY := .venv/ready
REPORT := results/$(SCALE)/report.html
ATLAS := results/$(SCALE)/atlas/index.html
# What a report shows: every room's last output. Read when it is needed, after the build.
BUILT = $(wildcard results/$(SCALE)/*/provenance.json)
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.PHONY: atlas figures report test torture bench bench-matching bench-removal lint sync readme lock

atlas: $(READY)
	snakemake --cores $(CORES) --config scale=$(SCALE)
	@$(MAKE) --silent report
	snakemake $(ATLAS) --cores 1 --config scale=$(SCALE)
	@isthmus verdicts --scale $(SCALE)
	@echo "The atlas, a page of all verdicts and one a paper: $(CURDIR)/$(ATLAS)"

# A contact sheet: every figure of a scale on one page, each at the size at which it is printed.
figures: $(READY)
	snakemake $(ATLAS) --cores $(CORES) --config scale=$(SCALE)
	@echo "All figures: $(CURDIR)/$(dir $(ATLAS))figures.html"

report: $(READY) $(REPORT)

$(REPORT): $(BUILT)
	snakemake --report $@ --config scale=$(SCALE)

# Two at a time: each process that tests takes a gigabyte or so.
test: $(READY)
	python -m pytest -n 2

# `kill -9` of 50 training jobs and of 20 builds at random moments, each called again; what a cluster does to jobs, on a
# SLURM of this machine (Debian's slurmctld, slurmd, munge): a line for each, and whether the bits are the same.
torture: $(READY)
	python tests/kills.py 50
	python tests/builds_killed.py 20
	python tests/cluster_faults.py

# A quarter of an hour on a machine that does nothing else: see benchmarks/README.md.
bench: $(READY)
	python -m isthmus.bench

# Half an hour on a machine that does nothing else. REBASIN: an interpreter that has the package rebasin.
bench-matching: $(READY)
	python -m isthmus.bench.matching $(if $(REBASIN),--rebasin $(REBASIN))

# Two minutes or so on a machine that does nothing else.
bench-removal: $(READY)
	python -m isthmus.bench.removal

lint: $(READY)
	ruff check .
	ruff format --check .
	snakefmt --check Snakefile workflow
	python -m pytest tests/test_workflow_lint.py

sync readme: $(READY)
	isthmus sync

# The lock again, from the newest versions that pyproject.toml allows: `pip freeze` of a fresh environment.
lock:
	rm -rf .venv-lock && $(PYTHON) -m venv .venv-lock
	.venv-lock/bin/pip install --quiet -e '.[dev]'
	(head -n 1 requirements.lock; .venv-lock/bin/pip freeze --all --exclude-editable --exclude pip \
	  | sed -E 's/^((nvidia|cuda)-.*|triton==.*)$$/\1 ; platform_system == "Linux"/') > requirements.lock.new
	mv requirements.lock.new requirements.lock
	rm -rf .venv-lock

$(READY): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit(f"wanted Python 3.11 or newer (PYTHON=...), found {sys.version.split()[0]}")'
	@echo "The environment, in .venv: about 3.1 GB to download, and some three minutes without a word"
	$(PYTHON) -m venv .venv
	.venv/bin/pip install --quiet --disable-pip-version-check -r requirements.lock
	.venv/bin/pip install --quiet --disable-pip-version-check --no-deps -e .
	touch $@
