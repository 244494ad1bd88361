# Two commands do everything on a machine with Python 3.11 or newer, make and a C compiler:
#   make explore   virtual environment, install, the main job on a bundled model
#   make test      everything that the tests need, linters, tests
# Variables: PYTHON (interpreter), VENV, MODEL, BUDGET, ARGS (more arguments of dse explore),
# PYTEST_ARGS (more arguments of pytest), JOBS (test processes).

VENV   ?= .venv
MODEL  ?= studies/models/resnet8_int8.onnx
BUDGET ?= 1MB
OUT    ?= out/$(basename $(notdir $(MODEL)))
ARGS   ?=
JOBS   ?= 2
PYTEST_ARGS ?=

BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check --no-input
MAIN   := $(VENV)/.installed
DEV    := $(VENV)/.installed-dev

# The first interpreter that is new enough; newer ones may lack wheels, so 3.11 goes first.
PYTHON ?= $(shell for it in python3.11 python3.12 python3.13 python3.14 python3 python; do \
	$$it -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$it; break; }; done)

# Tests run beside each other; numpy's own threads on top of that would fight for the same cores.
export OPENBLAS_NUM_THREADS ?= 1
export OMP_NUM_THREADS ?= 1
export RAY_USAGE_STATS_ENABLED ?= 0

.DEFAULT_GOAL := help
.PHONY: help explore test lint format bench bench-ray bench-flat clean
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

help:
	@sed -n '2,5s/^# //p' Makefile

explore: $(MAIN)
	@$(BIN)/dse explore $(MODEL) --budget $(BUDGET) --out $(OUT) $(ARGS)
	@echo "C projects: $(OUT)/points/*; run one: $(BIN)/dse run $(OUT)/points/000 --target host"

# All linters run, so that one call shows everything.
LINT = failed=0; \
	$(BIN)/ruff check --quiet . || failed=1; \
	$(BIN)/ruff format --check --quiet . || { failed=1; echo "not formatted (make format does it):"; $(BIN)/ruff format --check . ; }; \
	$(BIN)/mypy || failed=1; \
	report=$$($(BIN)/lint-imports --no-logo 2>&1) || { failed=1; echo "$$report"; }

lint: $(DEV)
	@$(LINT); exit $$failed

# The tests run even where a linter complains; either one fails the target. pytest's closing line is the last.
test: $(DEV)
	@$(LINT); test $$failed = 0 || echo "lint failed (see above); the tests run all the same"; \
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal -rs $(PYTEST_ARGS) || failed=$$?; exit $$failed

format: $(DEV)
	@$(BIN)/ruff check --quiet --fix . ; $(BIN)/ruff format .

bench: $(MAIN)
	@$(BIN)/python -m studies.bench.evaluation
	@$(BIN)/python -m studies.bench.claims --flat-seeds 1

bench-ray: $(MAIN)
	@$(BIN)/python studies/bench/ray_scaling.py

bench-flat: $(MAIN)
	@$(BIN)/python studies/bench/flat.py

clean:
	rm -rf out build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache $(VENV)

# Stamps: a second call installs nothing, a changed pyproject.toml installs again.
$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "no Python 3.11 or newer found; name one: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@echo "virtual environment: $(VENV), $$($(PYTHON) --version)"
	@.ci/make-venv "$(PYTHON)" "$(VENV)"

$(MAIN): pyproject.toml | $(BIN)/python
	@echo "installing what the main job needs (once)"
	@$(PIP) install -qq --editable .
	@touch $@

$(DEV): pyproject.toml | $(BIN)/python
	@echo "installing what the tests need (once)"
	@$(PIP) install -qq --editable '.[dev]'
	@touch $@ $(MAIN)
