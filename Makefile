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
# Modules, and not the scripts beside them: these name the folder that they were installed in, which may have moved.
RUN := .venv/bin/python -m
COMPILE := $(RUN) uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes \
	--no-header --no-annotate --no-emit-index-url --no-emit-find-links --no-config --no-strip-extras

# What people give goes through the environment as they wrote it: a shell would read its spaces, quotes and dollars.
run demo token import: export WAYWARDEN_PORT := $(value PORT)
ifeq ($(origin STACK),file)
run demo token import: export WAYWARDEN_DATA := $(value DATA)
else  # the stack in that folder, and not the embedded system
run: export WAYWARDEN_DATA := $(value DATA)
token import: export WAYWARDEN_SETTINGS := $(value STACK)/stack.env
endif
run: export WAYWARDEN_EMPTY := $(value EMPTY)
stack demo: export GIVEN_STACK := $(value STACK)
token: export GIVEN_ROLE := $(value ROLE)
token: export GIVEN_NAME := $(value NAME)
token: export GIVEN_CREW := $(value CREW)
token: export GIVEN_UNIT := $(value UNIT)
import: export GIVEN_FILE := $(value FILE)
import: export GIVEN_KIND := $(value KIND)
import: export GIVEN_PROFILE := $(value PROFILE)

unexport PYTHONDONTWRITEBYTECODE  # or each process that starts would compile everything anew

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev check check-code check-tests test test-services test-whole test-drills coverage run stack demo bench drills token import dashboards lock clean

help:  ## list what make can do
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup:  ## install what running needs into .venv
	@$(PYTHON) deploy/installation.py

setup-dev:  ## and what checks and tests need
	@$(PYTHON) deploy/installation.py dev

check: setup-dev  ## format, lint, types, architecture rules, unit and contract tests
	@$(MAKE) --no-print-directory -j2 --output-sync=target check-code check-tests

check-code:
	@$(RUN) ruff format --check .
	@$(RUN) ruff check .
	@$(RUN) mypy
	@.venv/bin/python -c 'from importlinter.cli import lint_imports_command as run; run()'

check-tests:
	@$(RUN) pytest -q -m 'not thorough' tests/unit tests/contracts

test: setup-dev  ## every test, on private PostgreSQL and RabbitMQ servers that are installed if missing
	@$(RUN) deploy.servers install
	@# Side by side, since all of them often wait: tests of one service run it in their own process, with eventlet's
	@# patches, those of the whole and the drills do not.
	@echo "Three runs side by side; each shows what it found when it ends, after some minutes."
	@$(MAKE) --no-print-directory -j3 --output-sync=target test-services test-whole test-drills

test-services:
	@$(RUN) pytest --durations=10 tests/integration

test-whole:
	@$(RUN) pytest --durations=10 tests/unit tests/contracts tests/e2e

test-drills:
	@$(RUN) pytest --durations=10 tests/drills

coverage: setup-dev  ## which lines the tests of rules and services reach; takes far longer than they do
	@$(RUN) pytest --cov --cov-report=term:skip-covered tests/unit tests/contracts tests/integration

run: setup  ## the whole system in one process: PORT=8000 DATA=./data EMPTY=1 (no sample city)
	@exec $(RUN) deploy.runner

stack: setup  ## the production shape on this machine: PORT= STACK=./.stack (its folder)
	@exec $(RUN) deploy.stack up --port $(PORT) --folder "$$GIVEN_STACK"

demo: setup  ## play the stories against the running system: PORT= DATA=, or STACK= (the stack's folder)
	@$(RUN) tests.demo $(if $(filter-out file,$(origin STACK)),--folder "$$GIVEN_STACK")

bench: setup-dev  ## the benchmarks, each beside its yardstick in the same run
	@$(RUN) deploy.servers install
	@$(RUN) tests.bench

drills: setup-dev  ## the fault drills in full (make test runs their short form)
	@$(RUN) deploy.servers install
	@WAYWARDEN_DRILLS=full $(RUN) pytest -v -s tests/drills tests/e2e/test_openapi_fuzz.py

token: setup  ## print a bearer token: ROLE=dispatcher NAME= CREW= UNIT= DATA=, or STACK=
	@$(RUN) deploy.cli token --role "$$GIVEN_ROLE" $(if $(filter-out file,$(origin NAME)),--name "$$GIVEN_NAME") \
		$(if $(value CREW),--crew "$$GIVEN_CREW") $(if $(value UNIT),--unit "$$GIVEN_UNIT")

import: setup  ## import a file of facilities: FILE=lamps.csv KIND=street_light PROFILE= DRY=1 (only look) DATA=, or STACK=
	@$(RUN) deploy.cli import "$$GIVEN_FILE" $(if $(value KIND),--kind "$$GIVEN_KIND") \
		$(if $(value PROFILE),--profile "$$GIVEN_PROFILE") $(if $(value DRY),--dry-run)

dashboards: setup-dev  ## write deploy/grafana/dashboards from panels.py
	@$(RUN) deploy.grafana.dashboards

lock: setup-dev  ## renew both lock files from pyproject.toml
	@$(COMPILE) --upgrade -o requirements.lock
	@$(COMPILE) --upgrade --extra dev -c requirements.lock -o requirements-dev.lock

clean:  ## remove what can be made again (data and the stack's folder stay)
	rm -rf .venv .coverage* .hypothesis .schemathesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
