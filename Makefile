PORT ?= 8000
DATA ?= ./data
EMPTY ?=
STACK ?= ./.stack
ROLE ?=
NAME ?=
CREW ?=
UNIT ?=
FILE ?=
KIND ?=
PROFILE ?=
DRY ?=

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes
COMPILE := $(BIN)/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes \
	--no-header --no-annotate --no-emit-index-url --no-emit-find-links --no-config --no-strip-extras

unexport PYTHONDONTWRITEBYTECODE  # or each process that starts would compile everything anew

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev check check-code check-tests test test-services test-system run stack demo bench drills token import lock clean

help:  ## list what make can do
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# A stamp holds the lock file that was installed, so that a later start costs no look at pip.
.venv/installed: requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing into .venv …"
	@cmp -s requirements.lock $@ || $(PIP) -r requirements.lock
	@cp requirements.lock $@

.venv/installed-dev: requirements-dev.lock | .venv/installed
	@echo "Installing the tools for tests into .venv …"
	@cmp -s requirements-dev.lock $@ || $(PIP) -r requirements-dev.lock
	@cp requirements-dev.lock $@

setup: .venv/installed  ## install what running needs into .venv

setup-dev: .venv/installed .venv/installed-dev  ## and what checks and tests need

check: setup-dev  ## format, lint, types, architecture rules, unit and contract tests
	@$(MAKE) --no-print-directory -j2 --output-sync=target check-code check-tests

check-code:
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

check-tests:
	@$(BIN)/python -m pytest -q -m 'not thorough' tests/unit tests/contracts

test: setup-dev  ## every test, on private PostgreSQL and RabbitMQ servers that are installed if missing
	@$(BIN)/python -m deploy.servers install
	@# Two at a time, since both often wait: tests of one service run it in their own process, with eventlet's patches,
	@# those of the whole do not.
	@echo "Two runs at a time; each shows what it found when it ends, after some minutes."
	@$(MAKE) --no-print-directory -j2 --output-sync=target test-services test-system

test-services:
	@$(BIN)/python -m pytest --cov --cov-report=term:skip-covered tests/unit tests/contracts tests/integration

test-system:
	@$(BIN)/python -m pytest tests/e2e tests/drills

run: setup  ## the whole system in one process: PORT=8000 DATA=./data EMPTY=1 (no sample city)
	@WAYWARDEN_PORT=$(PORT) WAYWARDEN_DATA="$(DATA)" WAYWARDEN_EMPTY=$(EMPTY) exec $(BIN)/python -m deploy.runner

stack: setup  ## the production shape on this machine: PORT= STACK=./.stack (its folder)
	@exec $(BIN)/python -m deploy.stack up --port $(PORT) --folder "$(STACK)"

demo: setup  ## play the stories against the running system: PORT= DATA=
	@WAYWARDEN_PORT=$(PORT) WAYWARDEN_DATA="$(DATA)" $(BIN)/python -m tests.demo

bench: setup-dev  ## the benchmarks, each beside its yardstick in the same run
	@$(BIN)/python -m deploy.servers install
	@$(BIN)/python -m tests.bench

drills: setup-dev  ## the fault drills in full (make test runs their short form)
	@$(BIN)/python -m deploy.servers install
	@WAYWARDEN_DRILLS=full $(BIN)/python -m pytest -v -s tests/drills

token: setup  ## print a bearer token: ROLE=dispatcher NAME= CREW= UNIT=
	@WAYWARDEN_PORT=$(PORT) WAYWARDEN_DATA="$(DATA)" $(BIN)/python -m deploy.cli token --role "$(ROLE)" \
		$(if $(NAME),--name "$(NAME)") $(if $(CREW),--crew "$(CREW)") $(if $(UNIT),--unit "$(UNIT)")

import: setup  ## import a file of facilities: FILE=lamps.csv KIND=street_light PROFILE= DRY=1 (only look) DATA=
	@WAYWARDEN_DATA="$(DATA)" $(BIN)/python -m deploy.cli import "$(FILE)" \
		$(if $(KIND),--kind "$(KIND)") $(if $(PROFILE),--profile "$(PROFILE)") $(if $(DRY),--dry-run)

lock: setup-dev  ## renew both lock files from pyproject.toml
	@$(COMPILE) --upgrade -o requirements.lock
	@$(COMPILE) --upgrade --extra dev -c requirements.lock -o requirements-dev.lock

clean:  ## remove what can be made again (data and the stack's folder stay)
	rm -rf .venv .coverage* .hypothesis .schemathesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
