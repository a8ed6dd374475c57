# Tagline's everyday commands. A fresh machine needs Python 3.11 or newer, and make.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
UV_VERSION := 0.13.9
UV := .uv/bin/uv
BIN := .venv/bin
PYTEST_ARGS ?=
COMPILE = $(UV) pip compile --quiet --no-header --python-version 3.11 \
  --python-platform x86_64-manylinux_2_28

# Wheels at hand (PIP_FIND_LINKS) serve the CPU build of torch; else its own index does.
ifdef PIP_FIND_LINKS
export UV_FIND_LINKS := $(PIP_FIND_LINKS)
TORCH :=
else
TORCH := --torch-backend cpu
endif

export RAY_USAGE_STATS_ENABLED := 0
export VLLM_NO_USAGE_STATS := 1
export DO_NOT_TRACK := 1

.PHONY: help env demo demo-stop demo-eval demo-parity demo-train test check lock clean test-rgw bench-pipeline bench-memory bench-long-video \
  bench-bytes bench-media bench-plan storm chaos mutants fuzz

help: ## Show this list
	@echo "Usage: make TARGET"
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  \1|\2/' \
	  | column -t -s '|'

env: .venv/ready .venvs/s3/tagline-stamp ## Make the environments that all targets run in

demo: env ## Annotate a small catalogue on this machine, from S3 to tables; again: only what is new
	@$(BIN)/python -m infra.demo.run

demo-stop: .venv/ready ## Stop the demo's S3 server; its data stay
	@$(BIN)/python -m infra.demo.s3_server stop --state .demo/s3

demo-eval: env ## Measure how true the demo's model is about what it never saw: SEEDS=a..b
	@$(BIN)/python -m infra.demo.evaluate $(if $(SEEDS),--seeds $(SEEDS))

demo-parity: env ## Compare the network in PyTorch with the engine, answer by answer
	@$(BIN)/python -m infra.demo.parity

demo-train: env ## Train the demo's model anew (hours; goes on where it was stopped)
	@$(BIN)/python -m infra.demo.train --state .demo/training --out infra/demo/model

test: env ## Run the tests
	@$(BIN)/pytest -m "not rgw" -n 2 $(PYTEST_ARGS)

check: env ## Check format, lint, types and layers, then run the tests
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(MAKE) --no-print-directory test

test-rgw: env ## Run the store's contract against a Ceph RGW server (Debian, root)
	@bash infra/demo/rgw.sh with .demo/rgw \
	  $(BIN)/pytest -m "rgw or not rgw" tests/contracts/test_store.py $(PYTEST_ARGS)

bench-pipeline: env ## Measure throughput and how busy the engine is kept
	@$(BIN)/python -m tests.bench.pipeline

bench-memory: env ## Measure peak memory over growing collections
	@$(BIN)/python -m tests.bench.memory

bench-long-video: env ## Measure peak memory over ever longer videos
	@$(BIN)/python -m tests.bench.long_video

bench-media: env ## Measure the decoding of media beside that of others: QUICK=1
	@$(BIN)/python -m tests.bench.media $(if $(QUICK),--quick)

bench-bytes: env ## Measure what sampling remote videos fetches: bytes, requests, time
	@$(BIN)/python -m tests.bench.remote

bench-plan: env ## Measure planning a manifest of millions of rows
	@$(BIN)/python -m tests.bench.plan

storm: env ## Lose replies to 1,600 commits of 8 processes, spoil a fifth of 10,000 reads: SEED=n
	@$(BIN)/python -m tests.storm $(if $(SEED),--seed $(SEED))

mutants: env ## Remove each guard of the pipeline in turn, and see that a test fails
	@$(BIN)/python -m tests.mutants $(if $(ONLY),--only "$(ONLY)")

chaos: env ## Kill a whole job a hundred times at random moments, and check what it leaves: SEED=n, KILLS=n
	@$(BIN)/python -m tests.chaos $(if $(SEED),--seed $(SEED)) $(if $(KILLS),--kills $(KILLS))

fuzz: env ## Decode 20,000 mutated files in processes that may die, from a seed: INPUTS=n, SEED=n, ONLY=n
	@$(BIN)/python -m tests.fuzz $(if $(INPUTS),--inputs $(INPUTS)) \
	  $(if $(SEED),--seed $(SEED)) $(if $(ONLY),--only $(ONLY))

lock: .uv/ready ## Compile the pinned requirements anew
	@$(COMPILE) pyproject.toml --extra cpu --extra dev $(TORCH) \
	  --overrides requirements/cpu.overrides.txt -o requirements/cpu.txt
	@env -u UV_FIND_LINKS $(COMPILE) pyproject.toml --extra gpu -o requirements/gpu.txt
	@$(COMPILE) requirements/s3-server.in -o requirements/s3-server.txt
	@$(COMPILE) requirements/bench-ray-data-llm.in $(TORCH) \
	  --overrides requirements/bench-ray-data-llm.overrides.txt \
	  -o requirements/bench-ray-data-llm.txt
	@for peer in bench-media bench-media-decord bench-media-decord2; do \
	  $(COMPILE) requirements/$$peer.in -o requirements/$$peer.txt; done
	@$(COMPILE) requirements/bench-media-torchcodec.in $(TORCH) \
	  -o requirements/bench-media-torchcodec.txt

clean: ## Remove the environments, the demo and all caches
	@if [ -x $(BIN)/python ]; then $(BIN)/python -m infra.demo.s3_server stop --state .demo/s3; fi
	@rm -rf .venv .venvs .uv .demo build *.egg-info
	@rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

.uv/ready:
	@command -v $(PYTHON) >/dev/null || { echo "make: $(PYTHON) is not there;" \
	  "install Python 3.11 or newer, or name one: make env PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "make:" \
	  "$(PYTHON) is $$($(PYTHON) -V 2>&1), but Tagline needs Python 3.11 or newer;" \
	  "name another one: make env PYTHON=python3.12" >&2; exit 1; }
	@echo "Getting uv $(UV_VERSION)"
	@$(PYTHON) -m venv --clear .uv || { echo "make: $(PYTHON) cannot make virtual" \
	  "environments; on Debian and Ubuntu install python3-venv" >&2; exit 1; }
	@.uv/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION) || \
	  { echo "make: uv cannot be installed; is there a way to a package index?" >&2; exit 1; }
	@touch $@

.venv/ready: requirements/cpu.txt pyproject.toml | .uv/ready
	@echo "Making .venv (about 1.5 GB of packages the first time)"
	@UV_PYTHON_DOWNLOADS=never $(UV) venv --quiet --clear --python 3.11 .venv 2>/dev/null || \
	  $(UV) venv --quiet --clear --python $(PYTHON) .venv
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --compile-bytecode $(TORCH) \
	  -r requirements/cpu.txt || { echo "make: the packages of requirements/cpu.txt cannot" \
	  "be installed; see above, then try again" >&2; exit 1; }
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@

.venvs/s3/tagline-stamp: requirements/s3-server.txt | .venv/ready
	@$(BIN)/python -m infra.demo.s3_environment
	@touch $@
