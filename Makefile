# Start with `make demo` or `make test`. Each target installs what it needs, and is quick the second time.
# Needed on the machine: Python 3.11 or newer, make, and the package registries.

.DEFAULT_GOAL := help
.NOTPARALLEL:
.SUFFIXES:
.DELETE_ON_ERROR:

VENV := .venv
ifeq ($(OS),Windows_NT)
BIN := $(VENV)/Scripts
else
BIN := $(VENV)/bin
endif
PY := $(BIN)/python
RELEASE := $(VENV)/release/$(notdir $(BIN))
SITE := $(VENV)/site/$(notdir $(BIN))

# The first Python on this machine that is new enough; PYTHON=... chooses another.
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python py; do \
	$$p -c '$(NEW_ENOUGH)' >/dev/null 2>&1 && { echo $$p; break; }; done)

# How many tests at once: a number, or `auto`, which is two more than there are cores, since many tests wait.
JOBS ?= auto
ARGS ?=
K ?=
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1
export PYTHONUTF8 := 1
# Tests start some thousand programs. Without written bytecode each would compile all modules, for a third of its time.
export PYTHONDONTWRITEBYTECODE :=

# The tools that write pages; tools.api, which writes the list of public names, is not run by `make docs`.
PAGES := map standards promises wire checks tables tenant_schema commands python_api diagrams variants interop sizing performance

# Directories count too, so that a file that goes away is noticed.
SOURCES := $(shell find src -not -name '*.pyc' -not -name __pycache__ 2>/dev/null)

.PHONY: help demo test quick coverage others check fix bench performance fuzz dist map api docs docs-site pins clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' Makefile

demo: $(VENV)/wheel ## a server, an API and an app in one terminal (ARGS=--unattended for no questions)
	$(BIN)/keyfob demo $(ARGS)

test: $(VENV)/dev $(VENV)/wheel $(VENV)/peers/ready ## all tests, against the built wheel (K=words selects by name, ARGS= goes to pytest)
	@browser=$$($(PY) -m tools.find_browser) || exit 1; \
	postgres=$$($(PY) -m tools.find_postgresql $(VENV)/peers/postgresql) || exit 1; \
	$(PY) -m tools.find_programs; \
	node=$$($(PY) -m tools.peers) || exit 1; \
	$(PY) -m tools.find_debian $(VENV)/peers/debian || exit 1; \
	KEYFOB_TEST_WHEEL=1 KEYFOB_TEST_BROWSER="$$browser" KEYFOB_TEST_POSTGRES="$$postgres" \
	KEYFOB_TEST_PEERS="$(abspath $(VENV)/peers)" KEYFOB_TEST_NODE="$$node" \
	KEYFOB_TEST_DEBIAN="$(abspath $(VENV)/peers/debian)" \
		$(PY) -m pytest -n $(JOBS) --dist worksteal $(if $(K),-k "$(K)") $(ARGS)

# Two at once, since these tests never wait.
PURE_TESTS = -m pytest --part pure -q -n 2 --dist worksteal $(ARGS)

quick: $(VENV)/dev ## the pure tests, of each the first and the last case, in under a minute
	PYTHONPATH=src $(PY) $(PURE_TESTS) --ends

coverage: $(VENV)/dev ## all cases of the pure tests, and whether they run every branch of the pure packages; in minutes
	@rm -f .cache/coverage*
	PYTHONPATH=src $(BIN)/coverage run $(PURE_TESTS)
	@$(BIN)/coverage combine -q
	$(BIN)/coverage report

others: $(VENV)/dev $(VENV)/wheel ## the tests without network on every other Python here (NEWEST=1: on one, of each test two cases)
	@$(PY) -m tools.other_pythons $(if $(NEWEST),--newest --ends) -n $(JOBS) --dist worksteal -q $(ARGS)

check: $(VENV)/dev ## format, lint, import rules, generated pages, types; quickest first
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	PYTHONPATH=src $(BIN)/lint-imports --no-logo
	@for page in $(PAGES); do PYTHONPATH=src $(PY) -m tools.$$page --check || exit 1; done
	$(PY) -m tools.api --check
	@echo "$(BIN)/mypy, for 3.11 and 3.13; $(BIN)/pyright, twice"; \
	{ $(BIN)/mypy && $(BIN)/mypy --python-version 3.13; } & mypy=$$!; \
	$(BIN)/pyright --project pyproject.toml && $(PY) -m tools.typed; pyright=$$?; \
	wait $$mypy && exit $$pyright

fix: $(VENV)/dev ## format, and apply automatic fixes
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/dev $(VENV)/wheel $(VENV)/peers/ready ## measurements, as ratios
	$(PY) bench $(ARGS)

performance: $(VENV)/dev $(VENV)/wheel $(VENV)/peers/ready ## measure the server again for docs/performance.md (twelve minutes)
	$(PY) bench stages tenant
	$(PY) -m tools.performance
	$(PY) -m tools.sizing

dist: $(VENV)/dev $(VENV)/release/ready ## the packages for a release in dist/, checked, with a list of their parts (SBOM)
	rm -rf dist
	$(BIN)/uv build --quiet --no-build-isolation --python $(PY) --out-dir dist .
	rm -f dist/.gitignore
	$(RELEASE)/twine check --strict dist/*
	$(RELEASE)/check-wheel-contents dist/*.whl
	$(RELEASE)/cyclonedx-py requirements requirements/run.txt --pyproject pyproject.toml --output-reproducible \
		--of JSON -o dist/keyfob.cdx.json
	$(RELEASE)/zizmor --offline --quiet .github/workflows

fuzz: $(VENV)/dev ## odd requests to every endpoint for two minutes (ARGS="600 7": for ten, beginning with seed 7)
	PYTHONPATH=src $(PY) -m tools.fuzz $(ARGS)

map: $(VENV)/dev ## print every module with its length, and update docs/map.md
	@$(PY) -m tools.map

api: $(VENV)/dev ## accept a change of the public surface
	$(PY) -m tools.api

docs: $(VENV)/dev ## update every page that is generated from the code
	@for page in $(PAGES); do PYTHONPATH=src $(PY) -m tools.$$page --quiet || exit 1; done

docs-site: $(VENV)/site/ready ## the documentation as a site in site/, with its links checked
	$(PY) -m tools.site $(SITE)/zensical

pins: $(VENV)/tools ## update all pinned versions, with hashes
	for set in dev run bootstrap peers release docs; do \
		$(BIN)/uv pip compile requirements/$$set.in -o requirements/$$set.txt --quiet --upgrade \
			$$(test $$set = dev || echo -c requirements/dev.txt) \
			--universal --python-version 3.11 --generate-hashes --no-emit-index-url \
			--custom-compile-command "make pins" || exit 1; \
	done
	$(BIN)/uv pip compile requirements/postgresql.in -o requirements/postgresql.txt --quiet --upgrade --no-deps \
		--universal --python-version 3.11 --generate-hashes --no-emit-index-url --custom-compile-command "make pins"
	$(BIN)/uv pip sync --quiet --python $(PY) --require-hashes requirements/dev.txt
	$(PY) -m tools.peers --pin

clean: ## delete everything that was built
	rm -rf $(VENV) .cache dist site tests/wild/peers/node_modules

# ----------------------------------------------------------------------------------------------------------------------
# Set-up. Each file below is a stamp: it is remade if one of its prerequisites is newer.
# ----------------------------------------------------------------------------------------------------------------------

# pip installs uv and hatchling, by hash; uv installs the rest, which is much faster.
$(VENV)/tools: requirements/bootstrap.txt
	@test -n "$(PYTHON)" || { echo "keyfob needs Python 3.11 or newer, and found none. Set PYTHON=/where/it/is." >&2; exit 1; }
	@$(PYTHON) -c '$(NEW_ENOUGH)' || { echo "$(PYTHON) is older than Python 3.11." >&2; exit 1; }
	@test -x $(PY) || $(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		echo "Python is here, its module venv is not. On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bootstrap.txt
	@touch $@

$(VENV)/run: requirements/run.txt $(VENV)/tools
	$(BIN)/uv pip install --quiet --python $(PY) --require-hashes -r requirements/run.txt
	@touch $@

# Compiled here, since a test whose disk is full would leave half a module that was compiled on use.
$(VENV)/dev: requirements/dev.txt $(VENV)/tools
	$(BIN)/uv pip sync --quiet --python $(PY) --compile-bytecode --require-hashes requirements/dev.txt
	@rm -f $(VENV)/wheel
	@touch $(VENV)/run $@

$(VENV)/wheel: pyproject.toml README.md LICENSE $(SOURCES) $(VENV)/run
	@rm -rf $(VENV)/built
	$(BIN)/uv build --quiet --wheel --no-build-isolation --python $(PY) --out-dir $(VENV)/built .
	$(BIN)/uv pip install --quiet --python $(PY) --compile-bytecode --no-deps --reinstall --no-index $(VENV)/built/*.whl
	@touch $@

$(VENV)/release/ready: requirements/release.txt $(VENV)/tools
	$(BIN)/uv venv --quiet --clear --python $(PY) $(VENV)/release
	$(BIN)/uv pip sync --quiet --python $(RELEASE)/python --require-hashes requirements/release.txt
	@touch $@

$(VENV)/site/ready: requirements/docs.txt $(VENV)/tools
	$(BIN)/uv venv --quiet --clear --python $(PY) $(VENV)/site
	$(BIN)/uv pip sync --quiet --python $(SITE)/python --require-hashes requirements/docs.txt
	@touch $@

# Foreign programs for tests/wild, in an environment of their own, so that their dependencies do not clash with ours.
$(VENV)/peers/ready: requirements/peers.txt tests/wild/peers/package-lock.json $(VENV)/dev
	$(PY) -m tools.peers --install $(VENV)/peers
	@touch $@
