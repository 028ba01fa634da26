# Every command of the project. `make` alone prints them. Needs Python and make, nothing else.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.SUFFIXES:

VENV ?= .venv
ARGS ?=
WORKERS ?= 2
BENCH ?= *

PY := $(VENV)/bin/python
UV := $(VENV)/bin/uv
STAMPS := $(VENV)/.stamps
VENDOR := src/ondol/application/console/static/vendor
CHECKED := $(foreach folder,src tests scripts benchmarks,$(if $(wildcard $(folder)/*.py $(folder)/*/*.py),$(folder)))

# Where nobody's home can be written to, the installers keep their files in build/.
HOME_WRITABLE := $(shell [ -n "$$HOME" ] && [ -d "$$HOME" ] && [ -w "$$HOME" ] && echo yes)
AT_HOME := umask 022; $(if $(HOME_WRITABLE),,mkdir -p build/home; HOME="$(CURDIR)/build/home"; export HOME;)
# At a terminal the installer shows its own progress.
QUIET := $(shell [ -t 2 ] || echo --quiet)
SAY = @printf 'ondol: %s\n'

# A virtual environment breaks when its folder is moved or its Python replaced; then it is made anew.
PLACE := $(shell version=$$($(PY) -V 2>/dev/null) && [ -x $(UV) ] && echo "$${version%.*} $(CURDIR)")
ifneq ($(PLACE),$(shell cat $(STAMPS)/place 2>/dev/null))
RENEW := renew
endif
ifeq ($(PLACE),)
RENEW := renew
endif

.PHONY: help up test test-long test-upstreams lint style types layers tidy licences audit-online bench redteam docs lock clean renew run-set dev-set

help:  ## Print this table
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

up: run-set  ## Set everything up and start Ondol (ARGS="--port 9000" passes options on)
	@exec $(VENV)/bin/ondol up $(ARGS)

test: dev-set  ## Run the tests (ARGS="-k gateway" chooses some)
	@exec $(PY) -m pytest -p tests.plugin.skips -n $(WORKERS) --dist loadfile --timeout 120 $(ARGS)

test-long: dev-set  ## Run the tests that take minutes as well
	@exec $(PY) -m pytest -p tests.plugin.skips -n $(WORKERS) --dist loadfile --timeout 1800 -m 'not upstreams' $(ARGS)

test-upstreams: dev-set  ## Run the gateway before real model servers, from environments of their own (about 1 GB the first time)
	@$(AT_HOME) $(PY) -m scripts.apart upstreams
	@$(AT_HOME) $(PY) -m scripts.apart harness
	@$(AT_HOME) $(PY) -m scripts.apart ragas
	@$(AT_HOME) $(PY) -m scripts.apart deepeval
	@$(AT_HOME) $(PY) -m scripts.apart llama_cpp || \
	  printf 'ondol: %s\n' "llama.cpp's server could not be built, see above: it needs a C++ compiler. Its tests are skipped."
	@exec $(PY) -m pytest -p tests.plugin.skips --timeout 600 -m upstreams $(ARGS) tests/upstreams

lint: dev-set  ## Check style, types, layers, tidiness and licences
	@$(MAKE) --no-print-directory --keep-going style types layers tidy licences

style: dev-set  ## Check only style and format (ruff)
	$(SAY) 'style'
	@$(PY) -m ruff check --quiet --output-format concise $(CHECKED)
	@$(PY) -m ruff format --check --quiet $(CHECKED) || { echo 'Run `make format`.'; exit 1; }

types: dev-set  ## Check types only (mypy --strict)
	$(SAY) 'types'
	@MYPYPATH=src $(PY) -m mypy --strict --explicit-package-bases $(CHECKED)

layers: dev-set  ## Check only which module imports which
	$(SAY) 'layers'
	@$(VENV)/bin/lint-imports --no-cache

tidy: dev-set  ## Check only lengths, docstrings, locks and names
	$(SAY) 'tidiness'
	@$(PY) -m pytest -p tests.plugin.skips --quiet tests/tidy

licences: dev-set  ## Check only the licences of everything installed (ARGS=--table prints all)
	$(SAY) 'licences'
	@$(PY) scripts/audit_licences.py $(ARGS)

audit-online: dev-set  ## Ask a public database for known vulnerabilities (needs the network; not part of lint)
	@$(AT_HOME) $(UV) tool run pip-audit --requirement requirements/default.lock --require-hashes --disable-pip --strict

format: dev-set  ## Format the code and mend what can be mended
	@$(PY) -m ruff check --fix --quiet $(CHECKED) || true
	@$(PY) -m ruff format --quiet $(CHECKED)

bench: dev-set  ## Run the benchmarks (BENCH=name chooses one)
	@for program in benchmarks/$(BENCH)/__main__.py; do \
	  [ -f "$$program" ] || { echo "There is no $$program."; exit 1; }; \
	  name=$${program%/__main__.py}; printf '\nondol: %s\n' "$$name"; \
	  $(PY) -m "benchmarks.$${name##*/}" $(ARGS) || exit 1; \
	done

redteam: dev-set  ## Attack the gateway with garak, from an environment of its own (ARGS=--help prints the options)
	@$(AT_HOME) exec $(PY) -m scripts.redteam $(ARGS)

docs: dev-set  ## Build the documentation into docs/_build/html
	@$(PY) scripts/reference.py
	@$(PY) -m sphinx -b html -W --keep-going -q docs docs/_build/html
	$(SAY) 'docs/_build/html/index.html'

LOCK := $(UV) pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --quiet \
  --custom-compile-command 'make lock'

lock: dev-set  ## Choose versions anew and write requirements/*.lock (ARGS=--upgrade takes newer ones)
	@$(AT_HOME) $(LOCK) $(ARGS) requirements/bootstrap.in -o requirements/bootstrap.lock
	@$(AT_HOME) $(LOCK) $(ARGS) pyproject.toml -o requirements/default.lock
	@$(AT_HOME) $(LOCK) $(ARGS) requirements/build.in -c requirements/default.lock -o requirements/build.lock
	@$(AT_HOME) $(LOCK) $(ARGS) requirements/dev.in -c requirements/default.lock -c requirements/build.lock -o requirements/dev.lock
	@$(AT_HOME) $(LOCK) $(ARGS) requirements/peers.in -o requirements/peers.lock
	@$(AT_HOME) $(LOCK) $(ARGS) requirements/rag_peers.in -o requirements/rag_peers.lock
	@$(AT_HOME) $(LOCK) $(ARGS) requirements/litellm.in -o requirements/litellm.lock
	@$(AT_HOME) $(LOCK) $(ARGS) requirements/clients.in -o requirements/clients.lock
	@$(AT_HOME) $(LOCK) $(ARGS) requirements/llama_cpp.in -o requirements/llama_cpp.lock
	@$(AT_HOME) $(LOCK) $(ARGS) --excludes requirements/upstreams.excludes requirements/upstreams.in -o requirements/upstreams.lock
	@$(AT_HOME) $(LOCK) $(ARGS) --excludes requirements/redteam.excludes requirements/redteam.in -o requirements/redteam.lock
	@$(AT_HOME) $(LOCK) $(ARGS) --excludes requirements/harness.excludes requirements/harness.in -o requirements/harness.lock
	@$(AT_HOME) $(LOCK) $(ARGS) requirements/ragas.in -o requirements/ragas.lock
	@$(AT_HOME) $(LOCK) $(ARGS) requirements/deepeval.in -o requirements/deepeval.lock
	@$(AT_HOME) $(PY) scripts/locks.py
	@$(AT_HOME) $(PY) scripts/assets.py --accept

clean:  ## Remove everything that was built or installed here; the data folder .ondol stays
	rm -rf $(VENV) build dist docs/_build $(VENDOR) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find src tests scripts benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

# Set-up, each step only when its inputs changed.

run-set: $(STAMPS)/run $(VENDOR)/.stamp
dev-set: $(STAMPS)/dev $(VENDOR)/.stamp $(if $(wildcard tests/e2e/js/package-lock.json),tests/e2e/js/node_modules/.stamp)

renew:

$(STAMPS)/uv: requirements/bootstrap.lock $(RENEW)
	@found=$$(sh scripts/find_python.sh "$(PYTHON)") || exit 1; \
	printf 'ondol: %s -> %s\n' "$$($$found -V)" '$(VENV)'; \
	$(AT_HOME) $$found -m venv --clear $(VENV) && \
	$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r requirements/bootstrap.lock && \
	mkdir -p $(STAMPS) && version=$$($(PY) -V) && echo "$${version%.*} $(CURDIR)" > $(STAMPS)/place && touch $@

RUN_LOCKS := requirements/default.lock requirements/build.lock
DEV_LOCKS := $(RUN_LOCKS) requirements/dev.lock
SYNC = @$(AT_HOME) $(UV) pip sync $(QUIET) --python $(PY) --require-hashes --no-build
INSTALL_SELF = @$(AT_HOME) $(UV) pip install --quiet --python $(PY) --no-deps --no-build-isolation --editable .

# Once the development set is here it stays: going back and forth would install and remove it each time.
$(STAMPS)/run: $(STAMPS)/uv $(RUN_LOCKS) pyproject.toml
	$(SAY) 'installing what Ondol runs on (about 350 MB the first time)'
	$(SYNC) $(if $(wildcard $(STAMPS)/dev),$(DEV_LOCKS),$(RUN_LOCKS))
	$(INSTALL_SELF)
	@touch $@

$(STAMPS)/dev: $(STAMPS)/uv $(DEV_LOCKS) pyproject.toml
	$(SAY) 'installing what Ondol is developed with (about 475 MB the first time)'
	$(SYNC) $(DEV_LOCKS)
	$(INSTALL_SELF)
	@touch $(STAMPS)/run $@

$(VENDOR)/.stamp: frontend/package.json frontend/package-lock.json frontend/assets.toml scripts/assets.py | $(STAMPS)/run
	$(SAY) 'preparing the console'
	@$(AT_HOME) $(PY) scripts/assets.py && touch $@

tests/e2e/js/node_modules/.stamp: tests/e2e/js/package.json tests/e2e/js/package-lock.json | $(STAMPS)/dev
	$(SAY) 'installing the JavaScript clients of the tests'
	@$(AT_HOME) $(PY) scripts/assets.py --install tests/e2e/js && touch $@
