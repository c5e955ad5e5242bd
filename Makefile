# The commands of this project. `make run` shows the main job, `make test` is the one test command; both install what is missing when root.

SHELL := /bin/bash
SWIFT ?= swift
SWIFT_FLAGS ?= --explicit-target-dependency-import-check error
BUILD_PACKAGES := build-essential pkg-config libsystemd-dev libunbound-dev liblmdb-dev libpcre2-dev
TEST_PACKAGES := $(BUILD_PACKAGES) mandoc nsd swaks curl msmtp pflogsumm procps python3 python3-venv openssl strace xfsprogs e2fsprogs
# What the demonstration and the tests run; release is for packages and benchmarks.
BIN := .build/debug
VENV := .build/venv

.PHONY: all build run demo test unit-test system-test crash-test torture lint format man build-deps test-deps clean

all: build

build: build-deps
	$(SWIFT) build $(SWIFT_FLAGS)

# Installs a list of Debian packages if one is missing; without root it says what to install.
define install_packages
	@missing=""; for p in $(1); do dpkg-query -W -f='$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$p"; done; \
	if [ -n "$$missing" ]; then \
	  if [ "$$(id -u)" = 0 ]; then echo "installing$$missing"; apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null; \
	  else echo "please install:$$missing" >&2; exit 1; fi; fi
endef

build-deps:
	$(call install_packages,$(BUILD_PACKAGES))

test-deps:
	$(call install_packages,$(TEST_PACKAGES))
	@[ -x $(VENV)/bin/pytest ] || { python3 -m venv $(VENV) && $(VENV)/bin/pip install -q --disable-pip-version-check -r Tests/SystemTests/requirements.txt; }

# The main job: a private instance, one message by sendmail, one by SMTP, both shown as delivered. Ctrl-C stops it.
run: build
	packaging/demo.sh $(if $(ONCE),--once)

demo: build
	packaging/demo.sh --once

test: test-deps
	$(SWIFT) build $(SWIFT_FLAGS) --build-tests
	$(MAKE) lint unit-test system-test crash-test demo

unit-test:
	$(SWIFT) test $(SWIFT_FLAGS) --skip-build

system-test:
	$(VENV)/bin/pytest -q -ra Tests/SystemTests $(PYTEST_FLAGS)

# A bounded number of kills, faults and power cuts (these as root only); MARTLET_CRASH_KILLS, _FAULTS, _CUTS and _SEED set them.
crash-test: test-deps
	$(VENV)/bin/pytest -q -ra -s Tests/CrashTests $(PYTEST_FLAGS)

# The same for as long as it is told; the last line is the summary. TORTURE_SEED repeats a run.
TORTURE_MINUTES ?= 120
TORTURE_KILLS ?= 2000
TORTURE_FAULTS ?= 400
TORTURE_CUTS ?= 500
torture: test-deps build
	$(VENV)/bin/python Tests/CrashTests/torture.py --minutes $(TORTURE_MINUTES) --kills $(TORTURE_KILLS) --faults $(TORTURE_FAULTS) \
	  --cuts $(TORTURE_CUTS) $(if $(TORTURE_SEED),--seed $(TORTURE_SEED))

lint:
	$(SWIFT) format lint --strict --recursive --parallel Sources Tests Package.swift
	mandoc -Tlint -Wwarning man/man*/*

# The parameter page comes from the declarations in MailConfiguration; a test compares.
man: build
	$(BIN)/martlet config --man > man/man5/martlet_main.cf.5

format:
	$(SWIFT) format --in-place --recursive --parallel Sources Tests Package.swift

clean:
	rm -rf .build
