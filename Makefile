# Events Analytics on this machine. Needs Python 3.11 or newer, make, and a package index.

.DEFAULT_GOAL := help
.PHONY: help up demo backup restore test check static audit bench faults lock clean

# The first of these that runs and is new enough.
PYTHON ?= $(shell for python in python3.11 python3 python3.12 python3.13 python3.14; do \
	"$$python" -c '$(NEW_ENOUGH)' 2>/dev/null && echo "$$python" && break; done)
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
# Of all builds of this version, unless PYTHON is given.
FASTEST = $(if $(filter file,$(origin PYTHON)),$$("$(PYTHON)" embedded/fastest_python.py),$(PYTHON))
VENV := .venv
BIN := $(VENV)/bin
# Each process has one module of tests at a time and stores of its own. Tests wait a fifth of their
# time, so on two cores a third process makes a run a ninth shorter. The modules keep their order;
# otherwise modules with few and long tests would come last.
SIDE_BY_SIDE = -n 3 --dist loadfile --no-loadscope-reorder
PYTEST = $(BIN)/python -m pytest
PORT ?= 8000
export PORT
# This variable is for containers, where nothing may be written. Here each process would compile
# 1,500 modules at its start, which takes 1.5 s of CPU.
unexport PYTHONDONTWRITEBYTECODE

help: ## Show this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 8

up: $(VENV)/embedded ## Run the whole service until Ctrl-C (PORT=8000, DATA_DIR=.data)
	@$(BIN)/python -m embedded

demo: $(VENV)/embedded ## Do the same, send sample events and show three reports (EXIT=1: then stop; UNTIL=2026-11-29)
	@$(BIN)/python -m embedded --demo $(if $(UNTIL),--until '$(UNTIL)') $(if $(EXIT),--exit)

backup: $(VENV)/embedded ## Copy the data of a running make up to a new folder (TO=folder, DATA_DIR=.data)
	@$(BIN)/python -m embedded.backup "$(TO)"

restore: $(VENV)/embedded ## Make a new DATA_DIR from such a folder (FROM=folder, DATA_DIR=.data)
	@$(BIN)/python -m embedded.backup --restore "$(FROM)"

# If ARGS names a file, one process runs it: others would start stores for nothing.
test: $(VENV)/dev ## Run the tests on stores of their own (ARGS="tests/x/test_y.py -k name")
	@$(PYTEST) $(if $(findstring .py,$(ARGS)),,$(SIDE_BY_SIDE)) $(ARGS)

# Types take half a minute where mypy has no cache. Tests run meanwhile, since they also wait.
check: $(VENV)/dev ## Run everything that CI runs: lint, format, types, migrations, audit, tests
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	@$(MAKE) --no-print-directory --jobs 2 static test ARGS=

static: $(VENV)/dev
	$(BIN)/mypy .
	$(BIN)/lint-imports
	$(BIN)/python -W ignore::RuntimeWarning manage.py makemigrations --check --dry-run  # no database needed
	$(BIN)/python -m tests.audit

audit: $(VENV)/dev ## Check the pinned packages for known vulnerabilities
	@$(BIN)/python -m tests.audit $(ARGS)

bench: $(VENV)/dev ## Measure rates and latencies (ARGS: see --help)
	$(BIN)/python -m bench $(ARGS)

faults: $(VENV)/dev ## Kill parts of the service under load, then count every event (ARGS: see --help)
	$(BIN)/python -m tests.faults $(ARGS)

# With uv, because pip can't write the hashes of what other machines would download. For Python 3.11
# and newer, on any machine.
lock: $(BIN)/uv ## Pin and hash what the image installs (requirements.lock)
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --upgrade \
		--custom-compile-command "make lock" --output-file requirements.lock requirements.txt

clean: ## Remove the virtual environment; data stays
	rm -rf $(VENV)

# One stamp per set of requirements: nothing is installed unless a file of the set has changed. uv
# takes a seventh of pip's CPU. It does not read pip's configuration: where it finds no index, or an
# own certificate is needed, pip installs. Python compiles a module when it imports it; to compile
# all that is installed takes longer than to install it.
PIP_INSTALL = $(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check
UV_INSTALL = $(BIN)/uv pip install --quiet --python $(BIN)/python

$(VENV)/embedded: requirements.txt requirements-embedded.txt | $(BIN)/uv
	@echo "Installing what the service needs into $(VENV) (a minute or two, once) ..."
	@$(UV_INSTALL) -r requirements-embedded.txt || $(PIP_INSTALL) -r requirements-embedded.txt
	@touch $@

$(VENV)/dev: requirements.txt requirements-embedded.txt requirements-dev.txt | $(BIN)/uv
	@echo "Installing what the tests need into $(VENV) (a minute or two, once) ..."
	@$(UV_INSTALL) -r requirements-dev.txt || $(PIP_INSTALL) -r requirements-dev.txt
	@touch $@ $(VENV)/embedded

$(BIN)/uv: | $(BIN)/python
	@$(PIP_INSTALL) uv==0.13.9

$(BIN)/python:
	@"$(PYTHON)" -c '$(NEW_ENOUGH)' || { echo >&2 \
		"Python 3.11 or newer is needed: install it, or set PYTHON=/path/to/python3.11"; exit 1; }
	@"$(FASTEST)" -m venv $(VENV) || { rm -rf $(VENV); exit 1; }
