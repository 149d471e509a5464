# Needs make, and Python 3.11 or later with its venv module. Everything else is installed into .venv, once.
#
#   make demo PYTHON=/path/to/python3.12    another Python than the first suitable one
#   make test VENV=/tmp/environment         another place than .venv
#   make test TORCH_INDEX=https://…         another package index for PyTorch, such as that of its CPU builds

.DEFAULT_GOAL := help
.PHONY: help demo test bench soak check environment clean
# A recipe that fails or is interrupted leaves no half-made target behind.
.DELETE_ON_ERROR:

VENV ?= .venv
# 3.11 and 3.12 come first: for them the package that carries the embedded Redis has wheels (Linux on x86-64).
PYTHON ?= python3.12 python3.11 python3 python3.13 python3.14
# From where PyTorch is taken; empty: from where everything is.
TORCH_INDEX ?=
# Written last, so that it is there only when the whole environment is.
INSTALLED := $(VENV)/.installed
# Written first, so that an environment that make began is told from one that somebody else made.
BEGUN := $(VENV)/.begun-by-make

help:
	@echo "make demo    start the service, search a synthetic camera network, stay up until Ctrl-C (ARGS=--once ends by itself)"
	@echo "make test    run the tests (ARGS=... goes to pytest)"
	@echo "make bench   measure, and write benchmarks/results/THEME_HARDWARE_DATE.md with plots (ARGS=--short takes seconds; ARGS=--help)"
	@echo "make soak    run the trials that take hours (QACONV_TRIAL_OPERATIONS, _KILLS, _IMAGES, _COPIES and _SEED shape them)"
	@echo "make check   run ruff, mypy and the import rules"
	@echo "make clean   remove the environment and the caches; records are kept"

demo: $(INSTALLED)
	@$(VENV)/bin/python -m demo $(ARGS)

test: $(INSTALLED)
	$(VENV)/bin/python -m pytest $(ARGS)

# Wants a machine that does nothing else, for some 20 minutes a theme.
bench: $(INSTALLED)
	$(VENV)/bin/python -m benchmarks $(ARGS)

# Hours: a hundred thousand operations, five hundred kills, losses of power; then what hostile clients send, and overload.
soak: export QACONV_TRIAL_SECONDS ?= 600
soak: export QACONV_TRIAL_LOAD_SECONDS ?= 3600
soak: export QACONV_TRIAL_EXAMPLES ?= 300
soak: $(INSTALLED)
	$(VENV)/bin/python -m pytest -m soak -s $(ARGS)
	$(VENV)/bin/python -m pytest -s --timeout=0 $(ARGS) tests/service/hostile

check: $(INSTALLED)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

environment: $(INSTALLED)

# Without the stamp, whatever is there is half an environment (an interrupted installation): begin anew. With a stamp
# that is out of date, bring the environment up to date; should that be interrupted, the stamp is gone already.
$(INSTALLED): pyproject.toml constraints.txt setup.py $(wildcard model/gallery_scoring/native/*.cpp model/gallery_scoring/native/*.h) model/gallery_scoring/native/compile_library.py
	@if [ -e $@ ]; then rm -f $@; else $(CREATE_ENVIRONMENT); fi
	$(if $(TORCH_INDEX),$(VENV)/bin/python -m pip install --disable-pip-version-check --constraint constraints.txt --index-url '$(TORCH_INDEX)' torch torchvision)
	$(VENV)/bin/python -m pip install --disable-pip-version-check --constraint constraints.txt --editable '.[dev,training]'
	@touch $@

define CREATE_ENVIRONMENT
if [ -e $(VENV) ] && [ ! -e $(BEGUN) ]; then \
    echo "make: $(VENV) is there, but make did not make it: move it away, or say make VENV=another-place" >&2; exit 1; \
  fi; \
  chosen=; lacking=; \
  for candidate in $(PYTHON); do \
    "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 || continue; \
    lacking=$$candidate; \
    "$$candidate" -c 'import ensurepip, venv' >/dev/null 2>&1 || continue; \
    chosen=$$candidate; break; \
  done; \
  if [ -z "$$chosen" ] && [ -n "$$lacking" ]; then \
    echo "make: $$lacking cannot make an environment: its venv or ensurepip module is missing" \
      "(on Debian and Ubuntu: apt-get install python3-venv)" >&2; exit 1; \
  elif [ -z "$$chosen" ]; then \
    echo "make: none of these is Python 3.11 or later: $(PYTHON). Install one, or say make PYTHON=/path/to/python" >&2; \
    exit 1; \
  fi; \
  echo "Making the environment in $(VENV) with $$("$$chosen" --version), once. It takes 6 GB of the disk, PyTorch with its CUDA libraries most of it."; \
  rm -rf $(VENV) && mkdir -p $(VENV) && touch $(BEGUN) && "$$chosen" -m venv $(VENV)
endef

clean:
	@if [ -e $(VENV) ] && [ ! -e $(BEGUN) ]; then echo "$(VENV) stays: make did not make it"; else rm -rf $(VENV); fi
	rm -rf .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis build qaconv.egg-info model/gallery_scoring/native/*.so
	find benchmarks demo model service tests training -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
