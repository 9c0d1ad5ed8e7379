# make demo: install into .venv and run the demonstration.   make test: install and test.
# make docs: install and build docs/_build/html, warnings being errors.
# make lint: install and run ruff and mypy.   make smoke: build the wheel, install it elsewhere, use it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CODE := src tests benchmarks examples docs .ci
PIP := $(BIN)/python -m pip --disable-pip-version-check

.PHONY: demo test lint docs smoke clean

demo: $(VENV)/.installed
	$(BIN)/sedum demo

test: $(VENV)/.installed-dev
	$(BIN)/pytest --numprocesses 2 --dist loadfile

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/mypy

docs: $(VENV)/.installed-docs
	$(BIN)/sphinx-build -W --keep-going -b html docs docs/_build/html

smoke:
	PYTHON=$(PYTHON) .ci/smoke.sh

# torch comes first and alone: a plain install of the rest could choose another build of it.
$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'sedum needs Python 3.11 or newer; set PYTHON=')"
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet --constraint constraints.txt torch
	$(PIP) install --quiet --constraint constraints.txt --editable .
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(PIP) install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

$(VENV)/.installed-docs: $(VENV)/.installed
	$(PIP) install --quiet --constraint constraints.txt --editable '.[docs]'
	touch $@

clean:
	rm -rf $(VENV) demo docs/_build docs/reference/api
