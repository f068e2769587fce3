# make leaderboard   set up, run the main job on the embedded table, print the leaderboard
# make test          set up, run all tests
# make test-lowest   the same on the lower bounds of pyproject.toml, in an environment of their own
# make coverage      run all tests, print the share of lines and branches that they reach, room by room
# make check         ruff, source archive and wheel, a study by the wheel on every Python here, mypy on the wheel
# make bench         speed and memory, each beside a peer or a floor
# make clean         remove what these made, but not results/
PYTHON ?= python3
VENV ?= .venv
LOWEST ?= $(VENV)-lowest
OUT ?= out/quick
BIN := $(VENV)/bin
INSTALL := -m pip install --quiet --disable-pip-version-check --constraint
PIP := $(BIN)/python $(INSTALL) constraints.txt
CODE := benchkit tests benchmarks checks tools
# old releases beside newer ones say what will change: nothing that could be mended here
OLD := $(foreach kind,DeprecationWarning PendingDeprecationWarning FutureWarning,-W ignore::$(kind))

.PHONY: leaderboard test coverage test-lowest check bench clean

leaderboard: $(VENV)/.run
	$(BIN)/benchkit leaderboard run --preset quick --out $(OUT)

test: $(VENV)/.dev
	$(BIN)/python -m pytest -n auto $(TESTS)

coverage: $(VENV)/.dev
	$(BIN)/python -m pytest -n auto --cov --cov-report= $(TESTS)
	$(BIN)/python -m checks.coverage

test-lowest: $(LOWEST)/.dev
	$(LOWEST)/bin/python -m pytest -n auto $(OLD) $(TESTS)

check: $(VENV)/.dev
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/python checks/packages.py . build
	cd build/wheel && $(abspath $(BIN))/mypy --config-file ../../pyproject.toml --cache-dir ../mypy-cache -p benchkit

bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks

clean:
	rm -rf build dist out .coverage .coverage.* $(VENV) $(LOWEST) .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/bin/python $(LOWEST)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "benchkit needs Python 3.11 or later; name one with: make PYTHON=python3.12 ..." >&2; exit 2; }
	$(PYTHON) -m venv $(@:/bin/python=)

$(VENV)/.run: $(VENV)/bin/python pyproject.toml constraints.txt
	$(PIP) --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/bin/python pyproject.toml constraints.txt
	$(PIP) --editable '.[dev,dask]' hatchling editables
	@touch $@ $(VENV)/.run

$(LOWEST)/.dev: $(LOWEST)/bin/python pyproject.toml constraints.txt checks/lowest.py
	$(LOWEST)/bin/python checks/lowest.py pyproject.toml constraints.txt >$(LOWEST)/constraints.txt
	$(LOWEST)/bin/python $(INSTALL) $(LOWEST)/constraints.txt --editable '.[dev,dask]' hatchling editables
	@touch $@
