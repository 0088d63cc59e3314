# Everything a person or CI runs. `make help` lists it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMPS := $(VENV)/.stamps
OPENREK_MODELS ?= $(abspath $(wildcard ../shared/models))
export OPENREK_MODELS

.DEFAULT_GOAL := help
.PHONY: help install demo demo-lambda test clients chaos chaos-short lint types check clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "openrek needs Python 3.11 or later: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv $(VENV)

$(STAMPS)/demo: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[demo]'
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/lambda: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[demo,lambda]'
	@mkdir -p $(STAMPS) && touch $@ $(STAMPS)/demo

$(STAMPS)/test: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[demo,lambda,test,postgres]'
	@mkdir -p $(STAMPS) && touch $@ $(STAMPS)/demo $(STAMPS)/lambda

install: $(STAMPS)/test ## Set up .venv with everything that development needs

demo: $(STAMPS)/demo ## Analyse a video through boto3, from upload to paged labels (VIDEO=my.mp4 for your own)
	$(BIN)/openrek demo $(if $(VIDEO),"$(VIDEO)")

demo-lambda: $(STAMPS)/lambda ## The same by functions: an upload starts one, the completion another (VIDEO=my.mp4 for your own)
	$(BIN)/openrek demo-lambda $(if $(VIDEO),"$(VIDEO)")

test: $(STAMPS)/test ## Unit and contract tests and one end-to-end flow
	$(BIN)/python -m pytest $(PYTEST_ARGS)

$(STAMPS)/awscli: tests/clients/awscli.txt | $(VENV)/bin/python
	$(BIN)/python -m venv $(VENV)/awscli
	$(VENV)/awscli/bin/python -m pip install --quiet --requirement $<
	@mkdir -p $(STAMPS) && touch $@

tests/clients/js/node_modules: tests/clients/js/package.json
	@command -v npm >/dev/null || { echo "make clients needs Node.js 20 or later, with npm." >&2; exit 1; }
	cd $(@D) && npm install --no-package-lock --no-audit --no-fund --loglevel=error
	@touch $@

clients: $(STAMPS)/test $(STAMPS)/awscli tests/clients/js/node_modules ## Unmodified AWS clients: boto3, AWS CLI, JavaScript SDK (OPENREK_AWS_SAMPLES=DIR: and AWS's samples)
	$(BIN)/python -m pytest tests/clients --verbose $(PYTEST_ARGS)

chaos: $(STAMPS)/test ## kill -9 at every step and at 50 moments, a million rows, two hours of video (about an hour)
	$(BIN)/python -m pytest tests/chaos --timeout 1200 $(PYTEST_ARGS)

chaos-short: $(STAMPS)/test ## A sample of every kind of chaos (under ten minutes)
	$(BIN)/python -m pytest tests/chaos -m short --timeout 1200 $(PYTEST_ARGS)

lint: $(STAMPS)/test ## Style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMPS)/test ## Strict types
	$(BIN)/mypy

check: test lint types ## Everything that a commit needs

clean: ## Remove what was built
	rm -rf $(VENV) tests/clients/js/node_modules build dist src/*.egg-info .mypy_cache .ruff_cache .pytest_cache
