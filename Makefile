# Each target sets up what it needs: a virtual environment in .venv, from the pinned lock.
SHELL := /bin/bash
.DELETE_ON_ERROR:
PYTHON ?= python3
WORKERS ?= logical # processes of pytest, as many as there are cores
BIN := .venv/bin
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1
comma := ,
STUDIES := $(subst $(comma), ,$(STUDY))

.PHONY: help install run findings docs test test-all reproduce test-cluster lint bench lock dist

help:
	@echo "make install   everything that heatproof needs, into .venv (about 7 GB, two minutes)"
	@echo "make run       install, then the studies of params.yaml; prints what came out and where the report is"
	@echo "               make run STUDY=phantom runs another study of studies/ (several separated by commas)"
	@echo "make findings  install, then docs/findings*.md, docs/claims.md and the block of the README, from results/stats"
	@echo "make docs      install, then the site of docs/, into site/; stops at a broken link"
	@echo "make test      install, then the fast tests"
	@echo "make test-all  install, then every test; trains tiny models and runs both engines"
	@echo "make reproduce install, then compute the tiny study twice in clean clones and compare every byte"
	@echo "make test-cluster  install, then run the tiny study on a Slurm of one node, set up for it (root, Debian)"
	@echo "make lint      install, then ruff, snakefmt and snakemake --lint"
	@echo "make bench     install, then time what is timed; writes bench/results.json and bench/README.md"
	@echo "make dist      install, then sdist and wheel, into dist/, checked as an index would"
	@echo "make lock      resolve envs/requirements.lock anew from pyproject.toml"

.venv/installed: envs/requirements.lock envs/uv.lock envs/install.py pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(v < (3, 11) and f"Python 3.11 or later is needed, this is {v[0]}.{v[1]}: make install PYTHON=python3.12")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r envs/uv.lock
	$(BIN)/python envs/install.py --no-deps --require-hashes --compile-bytecode -r envs/requirements.lock
	$(BIN)/python envs/install.py --quiet --no-deps --no-build-isolation --editable .
	@touch $@

install: .venv/installed

run: install
	heatproof plan $(STUDIES)
	heatproof run $(STUDIES)

findings: install
	python -m papers

docs: install
	python -m tools.config_docs
	python -m tools.catalogue_docs
	NO_MKDOCS_2_WARNING=1 mkdocs build

test: install
	pytest -q -m "not slow" -n $(WORKERS) --dist loadfile

test-all: install
	pytest -q -n $(WORKERS) --dist loadfile

reproduce: install
	python tools/reproduce.py

test-cluster: install
	bash tests/cluster/slurm.sh python -m pytest -q tests/cluster

lint: install
	ruff check .
	ruff format --check .
	snakefmt --check Snakefile rules
	snakemake --lint

bench: install
	python -m bench.run

dist: install
	rm -rf dist
	python -m hatchling build -d dist
	twine check --strict dist/*
	check-wheel-contents dist/*.whl

lock: install
	uv pip compile --universal --fork-strategy fewest --python-version 3.11 --extra dev --generate-hashes \
	  --no-annotate --quiet --custom-compile-command "make lock" --output-file envs/requirements.lock pyproject.toml
	uv pip compile --universal --no-deps --python-version 3.11 --generate-hashes \
	  --no-annotate --quiet --custom-compile-command "make lock" --output-file envs/uv.lock envs/uv.in
	uv pip compile --no-deps --python-version 3.11 --generate-hashes --constraint envs/requirements.lock \
	  --no-annotate --quiet --custom-compile-command "make lock" --output-file envs/slurm.lock envs/slurm.in
