# Needs only Python 3.11 or newer and make; everything else goes into a virtual environment.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
VENV ?= .venv
BIN := $(VENV)/bin
# What is installed and tested: the checkout, or a wheel (`make test PACKAGE=dist/skyrelief-0.1.0-py3-none-any.whl`).
PACKAGE ?= .
EDITABLE := $(if $(filter .,$(PACKAGE)),--editable)

# World, stitch folder and so on of `bench-truth`: what `make demo` leaves.
TRUTH ?= demo/world --stitch demo/stitch --poses demo/world/truth/poses.json --damage demo/damage.gpkg
BENCHES := $(patsubst tests/benchmarks/bench_%.py,bench-%,$(wildcard tests/benchmarks/bench_*.py))

.PHONY: demo test test-long lint format bench bench-truth clean $(BENCHES)

demo: $(VENV)/installed
	$(BIN)/skyrelief demo -o demo

test: $(VENV)/installed
	$(BIN)/python -m pytest -n 2 -m "not long"

# Soaks, fault matrices and thousands of cases; `make test` runs a short version of each.
test-long: $(VENV)/installed
	$(BIN)/python -m pytest -n 2 --timeout 3600

lint: $(VENV)/installed
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/installed
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(VENV)/installed
	$(BIN)/python -m pytest tests/benchmarks --benchmark-only --benchmark-columns=min,median,rounds

# bench-plan, bench-damage, ...: each prints a table with peers or floors beside SkyRelief's figures.
$(BENCHES): bench-%: $(VENV)/installed
	$(BIN)/python -m tests.benchmarks.bench_$*

bench-truth: $(VENV)/installed
	$(BIN)/python -m tests.oracles.truth $(TRUTH)

$(VENV)/installed: pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(EDITABLE) "$(PACKAGE)[test,pdf,cluster]"
	# An independent client for the tests; its own dependencies would bring 700 MB and replace OpenCV.
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps "MAVProxy>=1.8.70" "pynmeagps>=1.0"
	touch $@

clean:
	rm -rf .venv build dist demo *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
