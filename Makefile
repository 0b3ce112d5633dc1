# Everything a developer runs. Needs make, git and Python 3.11 or newer with its venv module.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/sh

# The newest Python that is really there: a version manager's shim may be on the PATH and not run.
PYTHON ?= $(shell for python in python3.14 python3.13 python3.12 python3.11 python3; do \
	if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
	command -v $$python; break; fi; done)
PORT ?= 8000
JOBS ?= 2
# More arguments for lockstock demo or for pytest, as in: make test-quick ARGS="tests/orders -x"
ARGS ?=

BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
# A lock names all there is to install, so pip need not look for more, nor compare what packages ask for
# with what requirements-overrides.txt has decided.
INSTALL_LOCKED := $(PIP) install --require-hashes --only-binary :all: --no-deps
# The installers are heard only when they fail.
QUIET_TO = >$(1) 2>&1 || { cat $(1) >&2; exit 1; }
# "sudo -n" never asks, so a build without rights goes on instead of waiting for a password.
AS_ROOT = $(shell [ "$$(id -u)" = 0 ] || echo sudo -n)
APT_GET = $(AS_ROOT) env DEBIAN_FRONTEND=noninteractive apt-get -q -y
HAVE_APT = command -v apt-get >/dev/null && { [ "$$(id -u)" = 0 ] || sudo -n true 2>/dev/null; }
COMPILE = $(BIN)/uv pip compile --quiet --no-config --universal --python-version 3.11 --upgrade \
	--only-binary :all: --generate-hashes --no-emit-index-url --no-annotate \
	--custom-compile-command "make lock"

.PHONY: help
help: ## list the targets
	@sed -n 's/^\([a-z0-9-]*\):[^#]*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | \
		awk -F '\t' '{ printf "  make %-20s %s\n", $$1, $$2 }'


# --- Use it

.PHONY: install
install: .venv/installed-runtime ## put Lockstock and what it needs into .venv

.PHONY: demo
demo: .venv/installed-runtime ## start Lockstock with sample shops on PORT (8000)
	@$(BIN)/lockstock demo --port $(PORT) $(ARGS)


# --- Test it

.PHONY: test
test: .venv/installed-dev chromium check ## every check and every test; what CI runs
	$(BIN)/pytest -n $(JOBS) $(ARGS)

.PHONY: test-quick
test-quick: .venv/installed-dev ## the tests that take no more than a few seconds each
	$(BIN)/pytest -n $(JOBS) -m "not slow" $(ARGS)

.PHONY: test-pg15
test-pg15: .venv/installed-dev postgresql-15 ## the tests on the oldest PostgreSQL that is supported
	LOCKSTOCK_TEST_POSTGRES_BIN=$(PG15_BIN) $(BIN)/pytest -n $(JOBS) $(ARGS)

.PHONY: check
check: .venv/installed-dev ## lint, format, types, and which module may import which
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

.PHONY: format
format: .venv/installed-dev ## mend what ruff can mend
	$(BIN)/ruff check --fix
	$(BIN)/ruff format


# --- Measure it

.PHONY: bench
bench: .venv/installed-bench wrk ## measure everything (an hour or two) and write docs/performance.md
	$(BIN)/python -m bench --write docs $(ARGS)

.PHONY: bench-quick
bench-quick: .venv/installed-bench wrk ## the main figures in three minutes, written nowhere
	@$(BIN)/python -m bench --quick $(ARGS)

.PHONY: bench-profile
bench-profile: .venv/installed-bench wrk ## where the time of a checkout goes, into docs/performance/
	$(BIN)/python -m bench.profile --write docs $(ARGS)


# --- Its dependencies

.PHONY: lock
lock: .venv/installed-dev ## move requirements*.lock to the newest releases
	$(COMPILE) pyproject.toml --output-file requirements.lock
	$(COMPILE) --constraint requirements.lock --group build --output-file requirements-build.lock
	$(COMPILE) --constraint requirements.lock --constraint requirements-build.lock \
		--override requirements-overrides.txt --group dev pyproject.toml --output-file requirements-dev.lock
	$(COMPILE) --constraint requirements-dev.lock bench/requirements.in \
		--output-file bench/requirements.lock

.PHONY: audit-dependencies
# Strict, because a version that the advisory service does not know was not audited.
audit-dependencies: .venv/installed-dev ## look the locked versions up among the known vulnerabilities
	$(BIN)/pip-audit --strict --require-hashes --disable-pip \
		--requirement requirements-dev.lock --requirement requirements-build.lock \
		--requirement bench/requirements.lock

.venv/bin/python:
	@[ -n "$(PYTHON)" ] || { echo "Lockstock needs Python 3.11 or newer, and none is on the PATH." \
		"Install one, or name it: make PYTHON=/path/to/python3" >&2; exit 1; }
	@package=$$($(PYTHON) -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])'); \
	if ! $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null; then \
		if $(HAVE_APT); then \
			echo "Installing $$package"; \
			log=$$(mktemp); \
			{ $(APT_GET) update && $(APT_GET) install --no-install-recommends $$package; } \
				$(call QUIET_TO,"$$log"); \
			rm -f "$$log"; \
		else \
			echo "$(PYTHON) has no venv module. Install it: sudo apt-get install $$package" >&2; exit 1; \
		fi; \
	fi
	@$(PYTHON) -m venv .venv

.venv/installed-runtime: requirements.lock requirements-build.lock pyproject.toml | .venv/bin/python
	@echo "Installing what Lockstock needs into .venv"
	@$(INSTALL_LOCKED) -r requirements.lock -r requirements-build.lock \
		$(call QUIET_TO,.venv/install.log)
	@$(PIP) install --no-deps --no-build-isolation --editable . $(call QUIET_TO,.venv/install.log)
	@touch $@

.venv/installed-dev: requirements-dev.lock .venv/installed-runtime
	@echo "Installing what its tests and checks need into .venv"
	@$(INSTALL_LOCKED) -r requirements-dev.lock $(call QUIET_TO,.venv/install.log)
	@touch $@


.venv/installed-bench: bench/requirements.lock .venv/installed-runtime
	@$(INSTALL_LOCKED) -r bench/requirements.lock $(call QUIET_TO,.venv/install.log)
	@touch $@


# --- What tests and measurements take from the system, where Debian's apt-get may be used

.PHONY: wrk
wrk: | .venv/bin/python
	@if command -v wrk >/dev/null; then :; \
	elif $(HAVE_APT); then \
		echo "Installing Debian's wrk, the load driver"; \
		{ $(APT_GET) update && $(APT_GET) install --no-install-recommends wrk; } \
			$(call QUIET_TO,.venv/apt.log); \
	else \
		echo "No wrk, the load driver. Install it: sudo apt-get install wrk" >&2; exit 1; \
	fi

.PHONY: chromium
chromium: | .venv/bin/python
	@if command -v chromium >/dev/null; then :; \
	elif $(HAVE_APT); then \
		echo "Installing Debian's chromium for the browser tests"; \
		{ $(APT_GET) update && $(APT_GET) install --no-install-recommends chromium; } \
			$(call QUIET_TO,.venv/apt.log); \
	else \
		echo "No chromium, and no right to install it: the browser tests will be skipped"; \
	fi

PG15_BIN := /usr/lib/postgresql/15/bin
CREATE_CLUSTER := /etc/postgresql-common/createcluster.conf

# Only the programs are wanted: Debian would make and start a cluster of its own, so it is told not to
# for the length of the install, and its configuration is put back as it was.
.PHONY: postgresql-15
postgresql-15: | .venv/bin/python
	@if [ -x $(PG15_BIN)/postgres ]; then :; \
	elif $(HAVE_APT); then \
		echo "Installing Debian's postgresql-15"; \
		{ $(APT_GET) update && $(APT_GET) install --no-install-recommends postgresql-common && \
			$(AS_ROOT) cp -p $(CREATE_CLUSTER) $(CREATE_CLUSTER).lockstock && \
			echo 'create_main_cluster = false' | $(AS_ROOT) tee -a $(CREATE_CLUSTER) && \
			{ $(APT_GET) install --no-install-recommends postgresql-15; code=$$?; \
			$(AS_ROOT) mv $(CREATE_CLUSTER).lockstock $(CREATE_CLUSTER); [ $$code = 0 ]; }; } \
			$(call QUIET_TO,.venv/apt.log); \
	else \
		echo "No $(PG15_BIN)/postgres. Install it: sudo apt-get install postgresql-15" >&2; exit 1; \
	fi

.PHONY: clean
clean: ## remove .venv and every cache; no database is touched
	rm -rf .venv build dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache \
		.schemathesis test-results
	find src tests bench -name __pycache__ -type d -prune -exec rm -rf {} +
