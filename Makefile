# GNU make 3.81 and a plain sh are enough. PYTHON=/path/to/python3.12 chooses the interpreter.

SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
RUNTIME := $(VENV)/requirements.installed
DEVELOPMENT := $(VENV)/requirements-dev.installed
BENCHMARKS := $(VENV)/requirements-bench.installed
TRACKS := 1000000

# What a deployment sets; nothing listens there, the checks only read the settings.
PRODUCTION = DATABASE_URL=postgres://musicsync@db.example/musicsync CELERY_BROKER_URL=redis://broker.example/0 \
	DJANGO_DEBUG=off DJANGO_ALLOWED_HOSTS=musicsync.example \
	DJANGO_SECRET_KEY="$$($(BIN)/python -c 'import secrets; print(secrets.token_urlsafe(64))')"

# Processes that tests run in, each with servers of its own: half of a test's time is waiting.
JOBS = 2

# Where the recovery times that `make faults` measures are written; empty: nowhere.
TABLE = docs/operations.md

.PHONY: help demo test faults check bench up constraints clean

help:
	@echo "make demo            two providers in step, from nothing; EVOLVE=1 lets their catalogues move on first"
	@echo "make up              web on :8000, worker, beat, Flower on :5555 and the sandbox, until Ctrl-C"
	@echo "make test            the tests, without the slow ones; PYTEST='-k name' chooses, JOBS=4 for more at once"
	@echo "make faults          break real processes, and write the recovery times into docs/operations.md"
	@echo "make check           format, lint, types, import contracts, migrations, deployment, tests"
	@echo "make bench           against peers and the limit, into docs/benchmarks.md; TRACKS=100000 for a short one"
	@echo "make constraints     pin the full closure of the requirements anew"
	@echo "make clean           remove the environment and caches; the data in var/ stays"

demo: $(RUNTIME)
	@EVOLVE=$(EVOLVE) $(BIN)/python -m sandbox.demo

up: $(RUNTIME)
	@$(BIN)/python manage.py migrate --verbosity 0
	@$(BIN)/python manage.py collectstatic --noinput --verbosity 0
	@echo "admin    http://127.0.0.1:8000/admin/   first user: $(BIN)/python manage.py createsuperuser"
	@echo "Flower   http://127.0.0.1:5555/"
	@echo "sandbox  http://127.0.0.1:8100/         to sync from it, in another terminal:"
	@echo "  $(BIN)/python manage.py provider add sandbox-deezer --adapter deezer --rate 100 --allow-private --base-url http://127.0.0.1:8100/deezer"
	@echo "  curl -s '127.0.0.1:8100/control/scopes?provider=deezer' | $(BIN)/python manage.py provider follow sandbox-deezer -"
	@echo "  $(BIN)/python manage.py sync sandbox-deezer --full --wait"
	@echo "  and in the same way: musicbrainz at http://127.0.0.1:8100/musicbrainz/ws/2, which asks for MUSICSYNC_CONTACT"
	@echo "Ctrl-C ends all of it"
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/honcho start

test: $(DEVELOPMENT)
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile $(PYTEST)

# The budget by itself: beside other tests nobody could tell who was late, the engine or the machine.
faults: $(DEVELOPMENT)
	$(BIN)/python -m pytest tests/faults/test_budget_used.py -m slow
	$(BIN)/python -m pytest tests/faults -m "slow or not slow" --ignore tests/faults/test_budget_used.py \
		-n $(JOBS) --dist loadfile $(if $(TABLE),--write-table $(TABLE))

check: $(DEVELOPMENT)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	@echo "mypy, lint-imports, makemigrations --check, check --deploy"
	@$(PRODUCTION) $(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python manage.py makemigrations --check --dry-run
	@$(PRODUCTION) $(BIN)/python manage.py check --deploy --fail-level WARNING
	@$(MAKE) test

bench: $(BENCHMARKS)
	$(BIN)/python -m benchmarks --tracks $(TRACKS)
	$(BIN)/python -m benchmarks.growth --sizes 10000 100000 $(TRACKS)
	$(BIN)/python -m benchmarks.reading --tracks $(TRACKS)
	$(BIN)/python -m benchmarks.budgets
	$(BIN)/python -m benchmarks.profile
	$(BIN)/python -m benchmarks.parsing
	$(BIN)/python -m benchmarks.files
	$(BIN)/python -m benchmarks.freshness

constraints: $(DEVELOPMENT)
	$(BIN)/python -m pip install --quiet pip-tools
	$(BIN)/python -m piptools compile --quiet --upgrade --no-header --no-annotate --strip-extras \
		--no-emit-index-url --no-emit-trusted-host --no-emit-find-links --output-file $(VENV)/closure requirements-dev.txt
	@{ head -n 1 constraints.txt; cat $(VENV)/closure; } > $(VENV)/constraints && mv $(VENV)/constraints constraints.txt

clean:
	rm -rf $(VENV) .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	@echo "var/, with the embedded database, is kept: remove it by hand to start from nothing"

# The stamp is written last: a failed or interrupted install is begun again.
$(VENV)/%.installed: %.txt requirements.txt constraints.txt
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || { $(make_venv); }
	@echo "installing $< into $(VENV)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r $< -c constraints.txt
	@touch $@

define make_venv
	for python in $(if $(PYTHON),"$(PYTHON)",python3.13 python3.12 python3.11 python3); do \
		"$$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && found=$$python && break; \
	done; \
	if [ -z "$$found" ]; then \
		echo "no Python 3.11 to 3.13 found: install one, or name it with PYTHON=/path/to/python3" >&2; exit 1; \
	fi; \
	if ! "$$found" -c 'import ensurepip, venv' 2>/dev/null; then \
		echo "$$found cannot make virtual environments: apt-get install python3-venv (or your system's like)" >&2; exit 1; \
	fi; \
	rm -rf $(VENV) && "$$found" -m venv $(VENV)
endef
