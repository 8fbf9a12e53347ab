# `make` names what there is. Everything runs in .venv, which the first target that needs it makes.
PYTHON = .venv/bin/python

help:
	@echo "make run    serve on http://127.0.0.1:8080, with the built-in emulator where no key is set"
	@echo "make quick  lint, types, the pure tests and the rules of the house: what most changes need"
	@echo "make test   everything that a change must pass: python -m tests"
	@echo "make lint   ruff and mypy"
	@echo "make bench  the quick benchmarks"

.venv: requirements.lock tests/requirements.lock
	python3 -m venv --without-pip .venv
	python3 -m pip --python .venv/bin/python install -q -r requirements.lock -r tests/requirements.lock
	touch .venv

run: .venv
	$(PYTHON) -m adapter serve

quick: .venv
	$(PYTHON) -m tests --quick

test: .venv
	$(PYTHON) -m tests

lint: .venv
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy

bench: .venv
	$(PYTHON) -m benchmarks

.PHONY: help run quick test lint bench
