# The two commands a newcomer needs are `make demo` and `make test`; both install into .venv first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TRACKER := .venv-tracker
BLENDER := .venv-blender
READERS := .venv-readers
TRACKER_NEEDS := ksdiff_jax/data/tracking/requirements.txt
AUDIO ?= ksdiff_jax/assets/demo.wav
OUT ?= out/demo

.PHONY: help install tracker web blender readers notebooks demo test test-slow test-long test-parity mutants lint wheel clean

help:
	@echo "make demo         install, then animate a spoken sentence into $(OUT)/ (or AUDIO=your.wav)"
	@echo "make test         install, then run the test suite"
	@echo "make test-slow    the tests that take minutes"
	@echo "make test-long    the longest of all, before a release"
	@echo "make test-parity  adds torch (large), compares the speech encoders with the originals"
	@echo "make mutants      before a release: changes a copy of the code in small ways, each of which a test must notice"
	@echo "make lint         ruff, formatting and style"
	@echo "make notebooks    runs the notebooks at full size and stores what they show (an hour)"
	@echo "make wheel        dist/*.whl, tried in an empty environment and an empty folder"
	@echo "make tracker      $(TRACKER) with MediaPipe, for \`ksdiff-jax prepare\` on raw video"
	@echo "make web          .web with glTF's validator, three.js and Chromium from npm, for the tests of .glb in a browser"
	@echo "make blender      $(BLENDER) with Blender as a module (bpy), for the tests of its script in \`make test-long\`"
	@echo "make readers      $(READERS) with usd-core, trimesh, pygltflib and praatio, for the test of all exported files"
	@echo "make install      $(VENV) with the package and the test extras; nothing to do when up to date"

install: $(VENV)/installed

$(VENV)/installed: pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing ksdiff-jax into $(VENV) (a minute or two the first time) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[test]"
	@touch $@

# A separate environment, because MediaPipe pins older releases of NumPy and JAX.
tracker: $(TRACKER)/installed

$(TRACKER)/installed: $(TRACKER_NEEDS)
	@test -x $(TRACKER)/bin/python || $(PYTHON) -m venv $(TRACKER)
	@echo "installing the face tracker into $(TRACKER) ..."
	@$(TRACKER)/bin/python -m pip install --quiet --disable-pip-version-check --requirement $(TRACKER_NEEDS)
	@touch $@

# Needs Node.js. Without it the tests of .glb files in a browser are skipped.
web:
	@.ci/web

# Blender's module supports one version of Python for each of its own. Without it the test of its script is skipped.
blender: $(BLENDER)/installed

$(BLENDER)/installed:
	@for python in $(PYTHON) python3.11 python3.13; do \
	  "$$python" -m venv --clear $(BLENDER) 2>/dev/null && $(BLENDER)/bin/python -m pip install --quiet \
	    --disable-pip-version-check --no-compile --only-binary :all: bpy 2>/dev/null && \
	  $(BLENDER)/bin/python -c "import bpy; print('Blender', bpy.app.version_string)" && touch $@ && exit 0; \
	done; echo "no bpy for the versions of Python here: the test of the Blender script is skipped"

# Readers of files that are not ours. Without them the test of all exported files is skipped.
readers: $(READERS)/installed

$(READERS)/installed:
	@test -x $(READERS)/bin/python || $(PYTHON) -m venv $(READERS)
	@$(READERS)/bin/python -m pip install --quiet --disable-pip-version-check --only-binary :all: \
	  usd-core trimesh pygltflib praatio numpy
	@touch $@

notebooks: install
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[test,notebooks]"
	rm -rf out/notebooks && mkdir -p out/notebooks && cp notebooks/*.ipynb out/notebooks
	cd out/notebooks && env -u KSDIFF_SMALL ../../$(BIN)/python -m pytest -c /dev/null --nbmake --overwrite --nbmake-timeout=3600 .
	cp out/notebooks/*.ipynb notebooks

demo: install
	$(BIN)/ksdiff-jax animate $(AUDIO) --out $(OUT)

test: install
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4

test-slow: install
	$(BIN)/python -m pytest -m slow --numprocesses 2

test-long: install blender
	$(BIN)/python -m pytest -m long

test-parity: install
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[test,parity]"
	$(BIN)/python -m pytest -m parity

mutants: install
	$(BIN)/python -m tests.mutants

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

wheel:
	PYTHON=$(PYTHON) .ci/wheel

clean:
	rm -rf $(VENV) $(TRACKER) $(BLENDER) $(READERS) .web out build dist *.egg-info .pytest_cache .ruff_cache
