# make leaderboard   set up, run the main job on the embedded table, print the leaderboard
# make test          set up, run all tests
# make check         ruff, the built wheel under mypy, a smoke run of the wheel outside the checkout
# make bench         speed and memory, each beside a peer or a floor
# make clean         remove what these made, but not results/
PYTHON ?= python3
VENV ?= .venv
OUT ?= out/quick
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
CODE := benchkit tests benchmarks

.PHONY: leaderboard test check bench clean

leaderboard: $(VENV)/.run
	$(BIN)/benchkit leaderboard run --preset quick --out $(OUT)

test: $(VENV)/.dev
	$(BIN)/python -m pytest -n auto

check: $(VENV)/.dev
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)
	rm -rf build/wheel dist
	$(BIN)/python -m build --wheel --no-isolation --outdir dist . >/dev/null
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --target build/wheel dist/*.whl
	cd build/wheel && ../../$(BIN)/mypy --config-file ../../pyproject.toml --cache-dir ../mypy-cache -p benchkit
	$(BIN)/python benchmarks/smoke.py build/wheel

bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks

clean:
	rm -rf build dist out $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "benchkit needs Python 3.11 or later; name one with: make PYTHON=python3.12 ..." >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: $(VENV)/bin/python pyproject.toml constraints.txt
	$(PIP) --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/bin/python pyproject.toml constraints.txt
	$(PIP) --editable '.[dev,dask]' hatchling editables
	@touch $@ $(VENV)/.run
