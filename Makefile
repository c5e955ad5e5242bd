# The commands of this project. `make run` shows the main job, `make test` is the one test command; both install what is missing when root.

SHELL := /bin/bash
SWIFT ?= swift
SWIFT_FLAGS ?= --explicit-target-dependency-import-check error
BUILD_PACKAGES := build-essential pkg-config libseccomp-dev libunbound-dev libevent-dev liblmdb-dev libcdb-dev libpcre2-dev
TEST_PACKAGES := $(BUILD_PACKAGES) tinycdb ldnsutils mandoc nsd swaks libnet-ssleay-perl curl msmtp pflogsumm procps python3 python3-venv openssl strace \
	e2fsprogs xfsprogs mount util-linux systemd
# What makes a package, and what tests one.
DEB_PACKAGES := $(BUILD_PACKAGES) chrpath debhelper devscripts dpkg-dev lintian po-debconf
DEBIAN_TEST_PACKAGES := debootstrap systemd-container piuparts util-linux mount
# Optimized across modules and with the Swift library linked in: a quarter less CPU a message than plain release. Debian's hardening flags:
# what dpkg-buildflags has for the compiler but for names of directories; for the linker also relocations that are packed and libraries
# that are not needed left out.
HARDENING = $(addprefix -Xcc ,$(filter -fstack% -D_FORTIFY%,$(shell dpkg-buildflags --get CFLAGS) $(shell dpkg-buildflags --get CPPFLAGS))) \
	-Xswiftc -use-ld=lld \
	$(addprefix -Xlinker ,-z relro -z now -z pack-relative-relocs --no-export-dynamic --as-needed)
RELEASE_FLAGS = -c release --static-swift-stdlib -Xswiftc -cross-module-optimization $(HARDENING)
VERSION := $(shell sed -n 's/.*static let current = "\(.*\)".*/\1/p' Sources/MailModel/MartletVersion.swift)
# What the demonstration and the tests run; release is for packages and benchmarks.
BIN := .build/debug
VENV := .build/venv

.PHONY: all build run demo test unit-test system-test crash-test torture bench bench-short lint format man build-deps test-deps clean release deb debian-test debian-test-deps

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
	$(MAKE) lint unit-test system-test crash-test demo bench-short debian-test

unit-test:
	$(SWIFT) test $(SWIFT_FLAGS) --skip-build

system-test:
	$(VENV)/bin/pytest -q -ra Tests/SystemTests $(PYTEST_FLAGS)

# A bounded number of kills, faults and power cuts (these as root only); MARTLET_CRASH_KILLS, _FAULTS, _CUTS and _SEED set them.
crash-test: test-deps build
	$(VENV)/bin/pytest -q -ra -s Tests/CrashTests $(PYTEST_FLAGS)

# The same for as long as it is told; the last line is the summary. TORTURE_SEED repeats a run.
TORTURE_MINUTES ?= 120
TORTURE_KILLS ?= 2000
TORTURE_FAULTS ?= 740
TORTURE_CUTS ?= 500
torture: test-deps build
	$(VENV)/bin/python Tests/CrashTests/torture.py --minutes $(TORTURE_MINUTES) --kills $(TORTURE_KILLS) --faults $(TORTURE_FAULTS) \
	  --cuts $(TORTURE_CUTS) $(if $(TORTURE_SEED),--seed $(TORTURE_SEED))

# Martlet and Debian's Postfix side by side: tables of medians and ratios, and all that was measured as JSON, in .build/bench. The whole takes
# some 20 minutes; each of these makes it smaller: BENCH_MESSAGES=1000 BENCH_ROUNDS=1 BENCH_KINDS="accept relay local" BENCH_IDLE=1000
# BENCH_DEFERRED=20000. BENCH_GENERATOR=mailload puts our own faster generator and sink in the place of Postfix's. BENCH_DIRECTORY says where
# the image of the file system lies (/var/tmp); everybody must be able to enter it. BENCH_FLAGS: see side_by_side.py --help.
BENCH := python3 Tests/Benchmarks/side_by_side.py
BENCH_RESULTS := .build/bench
BENCH_OPTIONS = $(if $(BENCH_DIRECTORY),--directory $(BENCH_DIRECTORY)) $(if $(BENCH_MESSAGES),--messages $(BENCH_MESSAGES)) \
	$(if $(BENCH_ROUNDS),--rounds $(BENCH_ROUNDS)) $(if $(BENCH_KINDS),--kinds "$(BENCH_KINDS)") $(if $(BENCH_IDLE),--idle "$(BENCH_IDLE)") \
	$(if $(BENCH_DEFERRED),--deferred "$(BENCH_DEFERRED)") $(if $(BENCH_GENERATOR),--generator $(BENCH_GENERATOR)) $(BENCH_FLAGS)

# The programs as a package has them.
release: build-deps
	$(SWIFT) build $(SWIFT_FLAGS) $(RELEASE_FLAGS)

# .build/deb/martlet_VERSION_amd64.deb, and what lintian says about it. The tree in which debhelper works is links to the source and a copy of
# packaging/debian. DEB_BUILD_OPTIONS= (empty) makes the package with debug symbols, too.
DEB := .build/deb
DEB_TREE := $(DEB)/martlet-$(VERSION)
deb:
	$(call install_packages,$(DEB_PACKAGES))
	rm -rf $(DEB)
	mkdir -p $(DEB_TREE)
	cp -r packaging/debian $(DEB_TREE)/debian
	ln -s $(addprefix $(CURDIR)/,Makefile Package.swift Sources etc man README.md ARCHITECTURE.md CHANGELOG.md) $(DEB_TREE)/
	cd $(DEB_TREE) && DEB_BUILD_OPTIONS="$${DEB_BUILD_OPTIONS-noautodbgsym}" dpkg-buildpackage -b -us -uc
	lintian --fail-on error,warning --info $(DEB)/*.changes
	@ls -l $(DEB)/*.deb

# The package in a Debian of its own under systemd-nspawn (as root; elsewhere it says so and does nothing). The Debian is made once and kept in
# .build/debian. MARTLET_DEB=FILE tests a package that is there already.
debian-test: test-deps
	@if [ "$$(id -u)" != 0 ]; then echo "debian-test: not run, because it needs root"; else \
	  $(MAKE) debian-test-deps && { [ -n "$(MARTLET_DEB)" ] || $(MAKE) deb; } && \
	  $(VENV)/bin/pytest -q -ra --durations=10 Tests/Debian $(PYTEST_FLAGS); fi

debian-test-deps:
	$(call install_packages,$(DEBIAN_TEST_PACKAGES))

bench: test-deps release
	@mkdir -p $(BENCH_RESULTS)
	MARTLET_BIN=$(CURDIR)/.build/release $(BENCH) --markdown $(BENCH_RESULTS)/bench.md --json $(BENCH_RESULTS)/bench.json $(BENCH_OPTIONS)

# Every part of it once, as small as it goes, with the debug build: every message is counted, no time is judged. Some three minutes.
bench-short: test-deps
	$(BENCH) $(if $(BENCH_DIRECTORY),--directory $(BENCH_DIRECTORY)) --rounds 1 --messages 100 --big-messages 5 --latency-messages 100 \
	  --idle 40 --deferred 300 $(BENCH_FLAGS)

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
