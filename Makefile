# `make demo` and `make test` are the two that matter. Every target makes its own .venv and installs what it
# needs, and nothing more; the second time there is nothing to do. Another Python: PYTHON=python3.12 make test

PYTHON ?= $(if $(wildcard .venv/bin/python),.venv/bin/python,python3)
VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)
PIP     := .venv/bin/python -m pip --disable-pip-version-check --quiet install
EXTRA   := slow or parity or notebook
PYTEST  := .venv/bin/python -m pytest -n auto --dist loadfile
CUDA    ?= 13

.PHONY: help demo test test-all parity simulate gpu lint clean

help:
	@echo "make demo      train LeNet-5 on handwritten digits and draw what it learned"
	@echo "make test      the tests; pick some with ARGS='-k pooling'"
	@echo "make test-all  the tests, then the slow ones, those against PyTorch, the notebooks, and make simulate"
	@echo "make parity    only the comparisons with PyTorch"
	@echo "make simulate  the GPU's kernels without a GPU: compiled by NVRTC, and executed by a simulator, which needs g++"
	@echo "make gpu       the same on a GPU, and the benchmark beside PyTorch; with a driver for CUDA 12, make gpu CUDA=12"
	@echo "make lint      ruff and mypy"
	@echo "make clean     remove .venv and everything that was built"

demo: .venv/has-core-$(VERSION)
	.venv/bin/python -m minidl demo

# tests/gpu runs once: where `simulate` follows in the same run of make, it does so there, beside the real CuPy.
test: .venv/has-test-$(VERSION)
	$(PYTEST) -m "not ($(EXTRA) or gpu)" $(if $(filter simulate test-all,$(MAKECMDGOALS)),--ignore=tests/gpu) $(ARGS)

# In one run of make `test` goes first and is not repeated, and it runs before PyTorch is there.
test-all: test .venv/has-parity-$(VERSION) .venv/has-notebook-$(VERSION) simulate
	$(PYTEST) -m "$(EXTRA)" --ignore=tests/gpu $(ARGS)

parity: .venv/has-parity-$(VERSION)
	$(PYTEST) -m parity $(ARGS)

# One kernel's tests are not one worker's, as they are long, and the simulator keeps what it compiled for all.
simulate: .venv/has-test-$(VERSION) .venv/has-simulate-$(VERSION)
	$(PYTEST) --dist worksteal tests/gpu -m "not gpu" $(ARGS)

gpu: .venv/has-test-$(VERSION) .venv/has-gpu$(CUDA)-$(VERSION)
	.venv/bin/python -m pytest tests/gpu -m gpu $(ARGS)
	.venv/bin/python -m minidl bench networks --device cuda

lint: .venv/has-lint-$(VERSION)
	.venv/bin/python -m ruff check .
	.venv/bin/python -m mypy

# A stamp names the Python it was made with, so that another PYTHON gets another .venv.
.venv/has-core-$(VERSION): setup.cfg pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { echo \
	  "minidl needs Python 3.11 or newer, and $(PYTHON) is $(or $(VERSION),not there): try PYTHON=python3.12 make"; exit 1; }
	@.venv/bin/python -c 'import sys, pip; sys.exit("%d.%d" % sys.version_info[:2] != "$(VERSION)")' 2>/dev/null \
	  || $(PYTHON) -m venv --clear .venv \
	  || { echo "$(PYTHON) cannot make a virtual environment: on Debian and Ubuntu, apt install python3-venv"; exit 1; }
	$(PIP) --editable .
	@touch $@

# The processor's build of PyTorch, from PyTorch's own index where that is reached: the build on PyPI brings
# gigabytes of CUDA along. One version, so that a change in PyTorch does not look like a mistake in minidl.
.venv/has-parity-$(VERSION): .venv/has-core-$(VERSION)
	$(PIP) --no-deps --retries 0 --extra-index-url https://download.pytorch.org/whl/cpu torch==2.13.0
	$(PIP) --editable '.[test,parity]'
	@touch $@

# Of CuPy only one build can be there. PyTorch's build for the GPU is the one on PyPI.
.venv/has-gpu$(CUDA)-$(VERSION): .venv/has-core-$(VERSION)
	.venv/bin/python -m pip --quiet uninstall --yes cupy-cuda12x cupy-cuda13x
	rm -f .venv/has-simulate-* .venv/has-gpu*
	$(PIP) --editable '.[test,gpu$(CUDA),parity]'
	@touch $@

.venv/has-%-$(VERSION): .venv/has-core-$(VERSION)
	$(PIP) --editable '.[$*]'
	@touch $@

clean:
	rm -rf .venv build dist *.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +
