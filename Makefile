# Draftloom. `make` or `make run` starts everything on this machine; PYTHON=python3.12 chooses another Python.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# A stamp bears the checksum of its lock file: another lock file, another environment.
RUN_STAMP := $(VENV)/.run-$(firstword $(shell cksum < requirements.lock))
DEV_STAMP := $(VENV)/.dev-$(firstword $(shell cksum < requirements-dev.lock))
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes

# `exec` makes the process a child of make itself, so that signals reach it; $$PPID is then make.
UP := exec env APP_ENV=local $(BIN)/python manage.py up --die-with-parent $$PPID

.DEFAULT_GOAL := run
.PHONY: run dev test lint types bench bench-search chaos fuzz lock

run: $(RUN_STAMP)
	@$(UP)

dev: $(RUN_STAMP)
	@$(UP) --dev

test: $(DEV_STAMP)
	@exec $(BIN)/python -m pytest -n 3 --dist loadfile $(ARGS)

lint: $(DEV_STAMP)
	@$(BIN)/ruff check . && exec $(BIN)/ruff format --check .

types: $(DEV_STAMP)
	@exec $(BIN)/mypy .

bench: $(DEV_STAMP)
	@exec $(BIN)/python -m bench $(ARGS)

bench-search: $(DEV_STAMP)
	@exec $(BIN)/python -m bench quality $(ARGS)

chaos: $(DEV_STAMP)
	@exec $(BIN)/python -m bench.chaos $(ARGS)

fuzz: $(DEV_STAMP)
	@exec $(BIN)/python -m bench.fuzz $(ARGS)

COMPILE = $(BIN)/uv pip compile pyproject.toml --quiet --generate-hashes --no-header --no-emit-index-url \
  --python-version 3.11
lock: $(DEV_STAMP)
	$(COMPILE) -o requirements.lock
	$(COMPILE) --extra dev -c requirements.lock -o requirements-dev.lock
	@! grep -n '://' requirements.lock requirements-dev.lock || { echo "A lock file names an address."; exit 1; }

$(RUN_STAMP):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "Draftloom needs Python 3.11 or newer, and $(PYTHON) is not. Try: make $(MAKECMDGOALS) PYTHON=python3.11"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "$(PYTHON) cannot make virtual environments. On Debian and Ubuntu: apt install python3-venv"; exit 1; }
	@echo "Installing Draftloom's packages into $(VENV); this takes a minute, once."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) -r requirements.lock
	@rm -f $(VENV)/.run-*
	@touch $@

$(DEV_STAMP): | $(RUN_STAMP)
	@echo "Installing the development packages into $(VENV)."
	@$(PIP) -r requirements-dev.lock
	@rm -f $(VENV)/.dev-*
	@touch $@
