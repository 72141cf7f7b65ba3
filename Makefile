# Two commands matter: `make demo` shows what it does, `make test` proves it.
SHELL := /bin/sh
VENV := .venv
PYTHON ?= python3
BIN := $(VENV)/bin
# In a variable, because a comma would end an argument of call.
EVERYTHING := .[all,dev]
UV := $(shell command -v uv 2>/dev/null)

.PHONY: demo test lint bench docs clean

demo: $(VENV)/.base
	@$(BIN)/trimtab demo --workspace demo

test: $(VENV)/.all
	@# Bytecode is kept whatever the shell says: processes that tests start need not compile all again.
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

lint: $(VENV)/.all
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.all
	$(BIN)/python -m benchmarks

docs: $(VENV)/.all
	$(BIN)/python -m optimizer.docs

clean:
	rm -rf $(VENV) .venv-focus-validator build dist demo .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

# uv where it is installed, else venv and pip; the same pins either way.
$(VENV)/bin/python:
ifdef UV
	@uv venv --quiet --python $(PYTHON) $(VENV)
else
	@$(PYTHON) -m venv $(VENV)
endif

$(VENV)/.base: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "installing trimtab into $(VENV)"
	@$(call install,.)
	@touch $@

$(VENV)/.all: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "installing trimtab with every extra into $(VENV)"
	@$(call install,"$(EVERYTHING)")
	@touch $@ $(VENV)/.base

ifdef UV
install = VIRTUAL_ENV=$(VENV) uv pip install --quiet --constraint constraints.txt --editable $(1)
else
install = $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable $(1)
endif
