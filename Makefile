# Every command of this project. Each sets up what it needs, once; nothing is installed outside $(VENV).

PYTHON = python3
VENV = .venv
BIN = $(VENV)/bin
SECONDS = 60
SEED = 1
FAULTS =
INPUTS =
MUTANTS = 200
MODELS = 2000
FILES = .models
ROOMS = jobs supervisor api
PIP = $(BIN)/python -m pip --disable-pip-version-check install --quiet --no-compile
PINNED = $(PIP) --require-hashes
# By pip, one after the other and with the libraries' own tests, it takes three times as long.
COMPILE = $(BIN)/python -m compileall -q -j 0 -x '/tests?/' $(VENV) > /dev/null || true

.PHONY: help install libraries demo test check coverage mutate up bench chaos docs fuzz models memory-proof clean

help:
	@echo 'make demo      set up, and explain a real data set end to end'
	@echo 'make test      set up, and run every test'
	@echo 'make up        set up, and run the service on http://127.0.0.1:8000 until Ctrl-C'
	@echo 'make install   only set up: $(BIN)/shap-supervisor'
	@echo 'make check     format, lint, types and import contracts, and the seconds it took'
	@echo 'make coverage  run every test and report the lines that none reached'
	@echo 'make mutate    mutate the sources at random and see what the tests catch: MUTANTS=200 SEED=1 ROOMS="jobs api"'
	@echo '               a campaign that was stopped goes on; AGAIN=1 tries the survivors again; see docs/mutation.md'
	@echo 'make bench     measure against shap and other peers; see docs/performance.md'
	@echo 'make chaos     kill, stop, cut and fill everything under load: SECONDS=60 SEED=1 FAULTS=1000'
	@echo 'make fuzz      hostile inputs for every route, format and header: SECONDS=60 SEED=1 INPUTS=10000'
	@echo 'make models    random models by old and new libraries, explained and compared: MODELS=2000 SEED=1; see docs/models.md'
	@echo '               environments of old libraries (6 GB, made once) and models lie in FILES=.models'
	@echo 'make docs      the pages of docs/ as a site, in site/; links are checked'
	@echo 'make memory-proof   1,000 jobs on a machine of 512 MB, 100 of which want 2 GB each (as root; JOBS=n)'
	@echo 'make clean     remove what these commands made'
	@echo
	@echo 'Another Python: make install PYTHON=python3.13 VENV=.venv-3.13'

install: $(VENV)/.installed

# What others have made, so that nothing of ours is built: for two environments that are filled side by side.
libraries: $(VENV)/.python
	@$(PINNED) -r requirements-build.txt -r requirements.txt
	@$(PINNED) -r requirements-dev.txt

demo: $(VENV)/.installed
	@$(BIN)/shap-supervisor demo

up: $(VENV)/.installed
	@exec $(BIN)/shap-supervisor up

# Tests in which a machine runs out of memory want it for themselves; those of a supervisor and its children are timed,
# and bear the company of one file of their like; the others bear any.
ALONE = tests/chaos tests/memory
TIMED = tests/service tests/supervisor
COMPANY = $(filter-out $(ALONE) $(TIMED),$(patsubst %/__init__.py,%,$(wildcard tests/*/__init__.py)))
SIDE_BY_SIDE = $(BIN)/python -m pytest -q -n 2 --dist

test: $(VENV)/.installed-dev
	@failed=0; \
	  $(if $(COMPANY),$(SIDE_BY_SIDE) worksteal $(COMPANY) || failed=1;) \
	  $(if $(TIMED),$(SIDE_BY_SIDE) loadfile $(TIMED) || failed=1;) \
	  $(if $(ALONE),$(BIN)/python -m pytest $(ALONE) || failed=1;) \
	  exit $$failed

check: $(VENV)/.installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	PYTHONPATH=client $(BIN)/lint-imports --config client/.importlinter
	@echo "Checked in $$(( $$(date +%s) - $(shell date +%s) )) s."  # make asks the second date before the first command

coverage: $(VENV)/.installed-dev
	$(BIN)/coverage run -m pytest
	$(BIN)/coverage report

mutate: JOBS = 2
mutate: $(VENV)/.installed-mutate
	@$(BIN)/python -m mutate --mutants $(MUTANTS) --seed $(SEED) --jobs $(JOBS) $(ROOMS:%=--room %) $(if $(AGAIN),--again)

bench: $(VENV)/.installed-bench
	@$(BIN)/python -m bench $(BENCH)

chaos: $(VENV)/.installed-dev
	@$(BIN)/python -m chaos --seconds $(SECONDS) --seed $(SEED) $(if $(FAULTS),--faults $(FAULTS))

fuzz: $(VENV)/.installed-fuzz
	@PYTHONPATH=$(CURDIR)/$(VENV)/dask PYTHONHASHSEED=0 $(BIN)/python -m fuzz --seed $(SEED) $(if $(INPUTS),--inputs $(INPUTS),--seconds $(SECONDS))

models: $(VENV)/.installed-dev
	@$(BIN)/python -m crosscheck --models $(MODELS) --seed $(SEED) --files $(FILES) --write docs/models.md

docs: $(VENV)/.installed-dev
	@PYTHONPATH=$(CURDIR)/$(VENV)/site NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet --strict
	@echo 'The site is in site/: $(BIN)/python -m http.server --bind 127.0.0.1 --directory site'

JOBS = 1000
memory-proof: $(VENV)/.installed-dev
	MEMORY_PROOF_JOBS=$(JOBS) $(BIN)/python -m pytest tests/memory/test_campaign.py -s

clean:
	rm -rf $(VENV) build dist *.egg-info .coverage .hypothesis .import_linter_cache .models .mutate .mypy_cache .pytest_cache .ruff_cache site
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo 'shap-supervisor needs Python 3.11 or newer, and "$(PYTHON)" is not.'; \
	  echo 'Name one that is: make install PYTHON=python3.12'; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { \
	  echo 'No virtual environment could be made: on Debian and Ubuntu install python3-venv first.'; exit 1; }
	@touch $@

$(VENV)/.installed: $(VENV)/.python requirements-build.txt requirements.txt setup.cfg pyproject.toml setup.py $(wildcard shaptrees/kernel*)
	@echo 'Installing into $(VENV), once: this takes a minute or two.'
	@$(PINNED) -r requirements-build.txt -r requirements.txt
	@$(PIP) --no-deps --no-build-isolation --editable .  # or pip would fetch what builds it by itself, unhashed
	@$(COMPILE)
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed requirements-dev.txt requirements-dask.txt requirements-generator.txt requirements-docs.txt requirements-mlflow.txt
	@$(PINNED) -r requirements-dev.txt
	@$(PIP) --no-deps --no-build-isolation --editable client
	@$(PINNED) --no-deps --upgrade --target $(VENV)/dask -r requirements-dask.txt
	@$(PINNED) --no-deps --upgrade --target $(VENV)/generator -r requirements-generator.txt
	@$(PINNED) --no-deps --upgrade --target $(VENV)/site -r requirements-docs.txt
	@$(PINNED) --no-deps --upgrade --target $(VENV)/mlflow -r requirements-mlflow.txt
	@$(COMPILE)
	@touch $@

$(VENV)/.installed-bench: $(VENV)/.installed-dev requirements-bench.txt
	@$(PINNED) -r requirements-bench.txt
	@touch $@

$(VENV)/.installed-mutate: $(VENV)/.installed-dev requirements-mutate.txt
	@$(PINNED) -r requirements-mutate.txt
	@touch $@

$(VENV)/.installed-fuzz: $(VENV)/.installed-dev requirements-fuzz.txt
	@$(PINNED) -r requirements-fuzz.txt
	@touch $@
