# `make demo` and `make test` need python3 (3.11 or newer) and the package registry, nothing else.
# To keep downloads small on a machine without a GPU, install PyTorch's CPU build first:
#     make venv PIP_ARGS="--extra-index-url https://download.pytorch.org/whl/cpu"

PYTHON ?= python3
PIP_ARGS ?=
BIN := .venv/bin
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_ARGS)

.PHONY: help demo test check static parity venv clean

help:
	@echo "make demo    ask the embedded model about the pictures in examples/ (a minute)"
	@echo "make test    run the tests"
	@echo "make check   format, lint, types, import rules, and the tests"
	@echo "make parity  published families beside transformers: the table of differences"
	@echo "make venv    only install into .venv"
	@echo "make clean   remove what demo and the tools wrote"

demo: .venv/installed
	@$(BIN)/python examples/demo.py --out demo
	@echo "More: $(BIN)/triptych ask examples/scene.png \"Is the star above the hexagon?\""

test: .venv/installed-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile

check: static test

static: .venv/installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/lint-imports

parity: .venv/installed-dev
	@$(BIN)/python -m tests.parity.table

venv: .venv/installed-dev

# The stamps make an install happen again only when pyproject.toml has changed.
.venv/installed: pyproject.toml | $(BIN)/python
	$(PIP) --editable '.[video]'
	@touch $@

.venv/installed-dev: pyproject.toml | $(BIN)/python
	$(PIP) --editable '.[dev]'
	@touch .venv/installed $@

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed; name one with: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv .venv

clean:
	rm -rf demo .pytest_cache .ruff_cache .import_linter_cache
