# perptape. `make help` says what there is; every target makes .venv first, which takes no time once it is current.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# Bytecode is kept, whatever the shell's environment says: without it every process of the tests compiles them, and perptape, anew.
unexport PYTHONDONTWRITEBYTECODE

empty :=
comma := ,
space := $(empty) $(empty)

# Any Python from 3.11 on: make PYTHON=python3.12 …
PYTHON ?= $(firstword $(foreach name,python3 python3.13 python3.12 python3.11 python3.14,$(shell \
    $(name) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $(name))))
# Parts of `make test` to leave out, as in WITHOUT=nautilus,s3: cluster, nautilus, s3.
WITHOUT ?=
# For two cores. Tests of whole processes wait as much as they work, so there is one more; the quick ones only work.
JOBS ?= 3
QUICK_JOBS ?= 2
# A few tests at a time, in order: else one process would get all the long ones, which begin first.
SPREAD := --maxschedchunk=4
# The cluster's tests wait more than they work. Their folders are named because each job collects for itself.
E2E_JOBS ?= 4
ARGS ?=
# How many schedules `make campaign` carries out, from which one on; SEED=fresh: such as nobody has seen.
N ?= $(if $(filter 2,$(LAYER)),16,300)
SEED ?= 0
# 1: in process, on a virtual clock. 2: real processes and sockets, four schedules a minute.
LAYER ?= 1

RUN := .venv/bin/python -m
MADE := .venv/.made-$(firstword $(shell cat requirements/dev.txt pyproject.toml | cksum))
PARTS := $(subst $(comma),$(space),$(WITHOUT))
LEFT_OUT := $(foreach part,$(PARTS),or $(part))

CLUSTER_TESTS = $(RUN) pytest tests/chart tests/e2e -n $(E2E_JOBS) --maxschedchunk=1 -m cluster -q --durations=20
# Ends the Docker engine that was started for the cluster's tests, if one was.
DONE = [ -n "$${KEEP:-}" ] || tests/cluster/build stop

.PHONY: help quickstart test e2e check quick lint bench campaign simulate venv prepare clean

help: ## what there is
	@echo 'perptape: an honest tape of the crypto-derivatives market'
	@sed -n 's/^\([a-z0-9]*\):[^#]*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "%-18s %s\n", $$1, $$2}'
	@echo 'Variables: PYTHON=python3.12, WITHOUT=cluster,nautilus,s3 (make test), JOBS=3, ARGS=... (simulate, bench), N=300 (16 with LAYER=2), SEED=0 or fresh (campaign).'

quickstart: $(MADE) ## five simulated venues, a tape of them in ./tape, and what is in it; a few minutes
	@.venv/bin/python examples/quickstart.py

test: $(MADE) ## everything; see WITHOUT
	@$(MAKE) lint prepare
	@failed=0; \
	$(RUN) pytest -n $(JOBS) $(SPREAD) -m "not (cluster $(LEFT_OUT))" -q --durations=20 || failed=1; \
	$(if $(filter cluster,$(PARTS)),,$(CLUSTER_TESTS) || failed=1; $(DONE);) exit $$failed

e2e: $(MADE) ## the tests in a Kubernetes cluster; KEEP=1 leaves it there for looking around, ARGS=... goes to pytest
	@PYTHONPATH=tests $(RUN) support.cluster
	@failed=0; $(CLUSTER_TESTS) $(ARGS) || failed=1; $(DONE); exit $$failed

check: $(MADE) ## style, types, contracts and the quick tests; under two minutes
	@$(MAKE) -j2 --output-sync=target lint quick

quick: $(MADE)
	$(RUN) pytest -n $(QUICK_JOBS) $(SPREAD) -m "not (slow or s3 or nautilus or cluster)" --hypothesis-profile=quick -q

lint: $(MADE)
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(RUN) mypy
	.venv/bin/lint-imports --no-logo

bench: $(MADE) ## what is promised about speed and memory, measured
	$(RUN) bench $(ARGS)

campaign: $(MADE) ## schedules of faults against collector and publisher; N=300 SEED=0; LAYER=2: processes and sockets, N=16, some four minutes
	@PYTHONPATH=tests $(RUN) campaign$(if $(filter 2,$(LAYER)),.l2) $(N) $(SEED)

simulate: $(MADE) ## five simulated venues on this machine, until Ctrl-C
	@$(RUN) perptape simulate $(ARGS)

venv: $(MADE) ## .venv only

# Says everything that is missing before it fails.
prepare: $(MADE)
	@missing=0; \
	for part in $(PARTS); do case $$part in cluster|nautilus|s3) ;; \
	  *) echo "WITHOUT=$$part: leave out any of cluster, nautilus, s3" >&2; missing=1;; esac; done; \
	without() { [[ ",$(WITHOUT)," == *",$$1,"* ]]; }; \
	if ! without s3; then tests/cluster/minio >/dev/null || { \
	  echo "or leave these tests out: make test WITHOUT=s3" >&2; missing=1; }; fi; \
	if ! without cluster; then PYTHONPATH=tests $(RUN) support.cluster || missing=1; fi; \
	if ! without nautilus; then .venv/bin/python tests/support/nautilus_envs.py >/dev/null || missing=1; fi; \
	exit $$missing

clean: ## removes .venv and caches, never a tape
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(MADE):
	@if [ -z "$(PYTHON)" ]; then \
	  echo "Python 3.11 or newer is missing; python3 is $$(python3 --version 2>&1 || true)." >&2; \
	  echo "Get one ('apt-get install python3.12 python3.12-venv', 'uv python install 3.12', 'brew install python@3.12')" >&2; \
	  echo "and say which: make PYTHON=/path/to/python3.12" >&2; exit 1; fi
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "$(PYTHON) is $$($(PYTHON) --version 2>&1): perptape needs Python 3.11 or newer; say which: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "$(PYTHON) cannot make environments: its venv module is missing ('apt-get install python3-venv' on Debian and Ubuntu)" >&2; exit 1; }
	@echo "making .venv with $$($(PYTHON) --version) (once, until requirements change)" >&2
	@$(PYTHON) -m venv --clear .venv
	@$(RUN) pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements/dev.txt
	@$(RUN) pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@$(RUN) compileall -q -j 0 .venv/lib || true
	@touch $(MADE)
