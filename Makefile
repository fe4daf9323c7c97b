# Two commands do all on a machine with Python: `make demo` and `make test`.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo accuracy-demo test check bench bench-peers docs characterize test-all clean

.venv/.base: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	touch $@

.venv/.dev: .venv/.base
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch $@

.venv/.characterize: .venv/.dev
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev,characterize]'
	touch $@

.venv/.train: .venv/.base
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[train]'
	touch $@

demo: .venv/.base  ## sweep the example study, print its Pareto table, write every figure
	$(BIN)/dse sweep examples/quidam.yaml
	$(BIN)/dse pareto results/quidam --metric perf_per_area
	$(BIN)/dse report results/quidam

accuracy-demo: .venv/.train  ## train a network, quantize it for every PE type, compare with the shipped accuracies
	$(BIN)/python -m characterization.accuracy demo

test: .venv/.dev  ## the default tests: a few minutes on two cores
	$(BIN)/python -m pytest

test-all: .venv/.characterize .venv/.train  ## the long tests and those that synthesize, too
	$(BIN)/python -m pytest -m 'slow or characterize'
	$(BIN)/python -m pytest tests/accuracy  # with PyTorch, which the default tests do without

check: .venv/.dev  ## lint, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: .venv/.dev  ## speed, side by side where it is a ratio
	$(BIN)/python -m benchmarks.evaluate
	$(BIN)/python -m benchmarks.exhaustive

bench-peers: .venv/.base  ## other tools side by side, an hour or so; writes docs/peers.md
	$(BIN)/python -m benchmarks.peers

docs: .venv/.base  ## write the generated parts of README.md and docs/ again
	$(BIN)/dse sweep examples/quidam.yaml
	$(BIN)/python docs/build.py results/quidam
	$(BIN)/dse sweep examples/accuracy.yaml
	$(BIN)/dse sweep examples/coexploration.yaml
	$(BIN)/python docs/build_accuracy.py results/accuracy results/coexploration

characterize: .venv/.characterize  ## synthesize every point again, fit the models, print held-out errors
	$(BIN)/dse characterize

clean:
	rm -rf .venv build dist results
