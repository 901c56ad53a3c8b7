# make demo    set everything up, then show what the program does
# make test    set everything up, then check style, types, imports and behaviour
# make pictures   take pictures of every dock into docs/pictures (Linux: needs xvfb-run)
# make lint    style, types and imports alone
# make clean   remove what the targets above have made, but pictures taken elsewhere (PICTURES=...)

# The newest Python that TensorFlow has wheels for, from the ones on this machine.
PYTHON ?= $(shell scripts/find_python.sh)
VENV ?= .venv
QT ?= pyqt5
BIN := $(VENV)/bin

.PHONY: setup demo pictures test test-pyqt6 lint format build clean

setup: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml | $(VENV)/bin/python
	scripts/system_packages.sh
	@echo "Installing into $(VENV): some minutes and 3 GB the first time, most of it TensorFlow."
	$(BIN)/python -m pip install --disable-pip-version-check --quiet -e '.[train,$(QT),test]'
	@touch $@

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { scripts/find_python.sh --explain; exit 1; }
	$(PYTHON) -m venv $(VENV)

demo: setup
	$(BIN)/nucleiseg demo

PICTURES ?= docs/pictures
pictures: setup
	xvfb-run -a -s "-screen 0 1280x800x24" $(BIN)/python scripts/pictures.py $(PICTURES)

test: setup
	$(BIN)/python -m pytest

# The same tests on the other Qt binding, in an environment of its own.
test-pyqt6:
	$(MAKE) test VENV=.venv-pyqt6 QT=pyqt6

lint: setup
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

build: setup
	$(BIN)/python -m pip install --disable-pip-version-check --quiet build
	$(BIN)/python -m build

clean:
	rm -rf .venv .venv-pyqt6 build dist demo-output .pytest_cache .mypy_cache .ruff_cache docs/pictures
