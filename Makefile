# `make` lists the targets. Everything is set up in .venv; nothing outside this folder is touched.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/pip --disable-pip-version-check --quiet install --constraint constraints.txt
DATA   := data
OUTPUT := output/demo

.DEFAULT_GOAL := help
.PHONY: help demo test lint clean

help: ## List the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 16

# torch first and alone: pinned, so that nothing draws in another build of several gigabytes.
$(VENV)/torch: constraints.txt
	@echo "Setting up $(VENV): torch"
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) torch
	@touch $@

$(VENV)/train: $(VENV)/torch pyproject.toml
	@echo "Setting up $(VENV): care-llm with its trainer"
	@$(PIP) --editable '.[train,plots]'
	@touch $@

$(VENV)/dev: $(VENV)/train
	@echo "Setting up $(VENV): what the tests need"
	@$(PIP) --editable '.[train,plots,dev]'
	@touch $@

demo: $(VENV)/train ## From corpora to a trained adapter, on invented data, in about two minutes
	$(BIN)/care-data run demo --to $(DATA)
	$(BIN)/care-train sft --config demo --dataset_dir $(DATA) --output_dir $(OUTPUT) --overwrite_output_dir
	$(BIN)/care-train chat --checkpoint_dir $(OUTPUT) --question '煮中药用什么锅好？'

test: $(VENV)/dev ## Run the whole suite
	$(BIN)/python -m pytest --numprocesses 2

lint: $(VENV)/dev ## Style, types and floors
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

clean: ## Remove what the targets made, the data folder apart
	rm -rf $(VENV) output build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
