# Everything this project needs is set up by the target that needs it, in .venv beside this file.
# The machine has to bring Python 3.11 or newer and make, no more.

VENV := .venv
PYTHON_IN_VENV := $(VENV)/bin/python
PIP_INSTALL := $(PYTHON_IN_VENV) -m pip install --disable-pip-version-check

# Home Assistant pins older libraries than heard, so that it needs an environment of its own.
HOME_ASSISTANT_VENV := .venv-home-assistant
HOME_ASSISTANT_2025_VENV := .venv-home-assistant-2025
HOME_ASSISTANT_TESTS := tests/home_assistant
HOME_ASSISTANT_COMPONENTS := integrations/home_assistant/custom_components
# Most of their time is waiting, so that three at once suit two cores.
HOME_ASSISTANT_PYTEST = $(HOME_ASSISTANT_VENV)/bin/python -m pytest -c $(HOME_ASSISTANT_TESTS)/pytest.ini -n 3

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run test test-home-assistant test-home-assistant-2025 lint clean

help:
	@echo 'make run    set everything up and watch heard hear (ARGS="--once" ends after one scene)'
	@echo 'make test   set everything up and run the tests (ARGS="-k gate" picks some)'
	@echo 'make test-home-assistant       the tests against a real Home Assistant and a real broker'
	@echo 'make test-home-assistant-2025  those of discovery against a newer one'
	@echo 'make lint   ruff, mypy and import-linter'
	@echo 'make clean  remove all that these targets made, .venv too'

run: $(VENV)/.for-running
	$(VENV)/bin/heard demo $(ARGS)

test: $(VENV)/.for-developing
	$(PYTHON_IN_VENV) -m pytest -m "not slow" $(ARGS)

# heard itself runs from its own environment, as a program beside Home Assistant.
test-home-assistant: $(VENV)/.for-developing $(HOME_ASSISTANT_VENV)/.ready
	cd $(HOME_ASSISTANT_COMPONENTS) && $(CURDIR)/$(VENV)/bin/mypy --config-file= --strict --package heard \
	    --python-executable $(CURDIR)/$(HOME_ASSISTANT_VENV)/bin/python --cache-dir $(CURDIR)/.mypy_cache/home_assistant \
	    --namespace-packages --explicit-package-bases --follow-untyped-imports --allow-untyped-calls --implicit-reexport
	$(HOME_ASSISTANT_PYTEST) $(HOME_ASSISTANT_TESTS) $(ARGS)

# The same of discovery with a release that knows the dialect of devices. It needs Python 3.13 and a C++ compiler.
test-home-assistant-2025: $(VENV)/.for-developing $(HOME_ASSISTANT_VENV)/.ready $(HOME_ASSISTANT_2025_VENV)/.ready
	HEARD_HOME_ASSISTANT_PYTHON=$(HOME_ASSISTANT_2025_VENV)/bin/python \
	    $(HOME_ASSISTANT_PYTEST) $(HOME_ASSISTANT_TESTS)/discovery \
	    $(HOME_ASSISTANT_TESTS)/component/test_beside_discovery.py $(ARGS)

lint: $(VENV)/.for-developing
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

clean:
	rm -rf $(VENV) $(HOME_ASSISTANT_VENV) $(HOME_ASSISTANT_2025_VENV) build dist heard-demo *.egg-info
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp is younger than pyproject.toml while what that file asks for is installed.
# An interrupted first set-up can leave an environment without pip, hence ENSURE_PIP.
ENSURE_PIP = $(PYTHON_IN_VENV) -m pip --version >/dev/null 2>&1 || $(PYTHON_IN_VENV) -m ensurepip

$(VENV)/.for-running: pyproject.toml | $(PYTHON_IN_VENV)
	@$(ENSURE_PIP)
	$(PIP_INSTALL) --editable .
	@touch $@

# Development needs what running needs, and torch for training and its tests.
$(VENV)/.for-developing: pyproject.toml | $(PYTHON_IN_VENV)
	@$(ENSURE_PIP)
	$(PIP_INSTALL) --editable '.[dev]'
	@touch $(VENV)/.for-running $@

# Where the interpreter has gone, after an upgrade of the system, no stamp counts.
ifneq ($(shell test -x $(PYTHON_IN_VENV) && echo there),there)
.PHONY: $(VENV)/.for-running $(VENV)/.for-developing
endif

# The first interpreter that is new enough and can make environments; PYTHON=… names another one.
$(PYTHON_IN_VENV):
	@found=; \
	for python in $(PYTHON) python3 python3.11 python3.12 python3.13 python3.14 python; do \
	    "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 || continue; \
	    found="$$python"; \
	    "$$python" -c 'import ensurepip, venv' >/dev/null 2>&1 || continue; \
	    echo "Making $(VENV) with $$("$$python" --version)"; \
	    exec "$$python" -m venv --clear $(VENV); \
	done; \
	if [ -n "$$found" ]; then \
	    echo "$$found cannot make virtual environments: its modules venv and ensurepip are missing." >&2; \
	    echo 'On Debian and Ubuntu: sudo apt-get install python3-venv' >&2; \
	else \
	    echo 'heard needs Python 3.11 or newer, and none was found on PATH.' >&2; \
	    echo 'On Debian 12 and newer: sudo apt-get install python3 python3-venv' >&2; \
	    echo 'Elsewhere, name one: make run PYTHON=/path/to/python3.12' >&2; \
	fi; \
	exit 1

# Home Assistant 2024.3.3 runs on Python 3.11 and 3.12, 2025.4.4 on 3.13; HOME_ASSISTANT_PYTHON=… names one.
$(HOME_ASSISTANT_VENV)/.ready: $(HOME_ASSISTANT_TESTS)/requirements.txt
	$(call make_venv,$(HOME_ASSISTANT_VENV),3.11 3.12)
	$(HOME_ASSISTANT_VENV)/bin/python -m pip install --disable-pip-version-check --requirement $<
	@touch $@

$(HOME_ASSISTANT_2025_VENV)/.ready: $(HOME_ASSISTANT_TESTS)/requirements-2025.txt
	$(call make_venv,$(HOME_ASSISTANT_2025_VENV),3.13)
	$(HOME_ASSISTANT_2025_VENV)/bin/python -m pip install --disable-pip-version-check --requirement $<
	@touch $@

# $(call make_venv,folder,versions): an environment of the first Python that is one of these versions.
define make_venv
@for python in $(HOME_ASSISTANT_PYTHON) $(addprefix python,$(2)) python3; do \
    "$$python" -c 'import ensurepip, sys; sys.exit("%d.%d" % sys.version_info[:2] not in "$(2)".split())' \
        >/dev/null 2>&1 || continue; \
    echo "Making $(1) with $$("$$python" --version)"; \
    "$$python" -m venv --clear $(1); \
    exit; \
done; \
echo 'Home Assistant needs Python $(2) here, and none was found on PATH.' >&2; \
exit 1
endef
