# Two commands do everything: `sudo make run` shows this machine's connections, `sudo make test` proves them true.
VENV := .venv
BIN := $(VENV)/bin
PYTHON := /usr/bin/python3
DEBIAN := python3-bpfcc bpftool python3-venv iproute2
# What makes an installation smaller.
DEBIAN_INSTALL := binutils
DEBIAN_TEST := bind9-dnsutils chromium dnsmasq-base gcc libc6-dev nats-server nghttp2-client nghttp2-server nginx-light openssl iptables nftables conntrack prometheus prometheus-alertmanager clickhouse-server unbound
# Not beside a Docker of another origin, which it would replace.
DEBIAN_TEST += $(shell PATH=$$PATH:/usr/sbin command -v dockerd >/dev/null || echo docker.io)
# Not beside a kubectl of another origin: both have the same file.
DEBIAN_TEST += $(shell command -v kubectl >/dev/null || echo kubernetes-client)
# A stock kernel, what boots it, and what makes it rewrite; there is none where the processor is another.
DEBIAN_VM := qemu-system-x86 linux-image-amd64 linux-headers-amd64 kmod busybox-static
# A bare Debian and a systemd, for the tests of the package and its units.
DEBIAN_TEST += mmdebstrap systemd groff-base
DEBIAN_BENCH := bpfcc-tools dnsperf wrk iperf3 redis-server redis-tools
ARGS ?=

PREFIX ?= /usr/local
.PHONY: setup setup-run setup-bench run deb install uninstall test test-quick soak lint bench clean

setup: $(VENV)/.ready
	@scripts/debian $(DEBIAN) $(DEBIAN_TEST)
	@[ "$$(uname -m)" != x86_64 ] || scripts/debian $(DEBIAN_VM)

setup-run: $(VENV)/.run
	@scripts/debian $(DEBIAN)

setup-bench: setup
	@scripts/debian $(DEBIAN_BENCH)

# What the main job needs, without what tests need.
$(VENV)/.run: pyproject.toml constraints.txt
	@scripts/debian $(DEBIAN)
	$(call install,.)
	@touch $@

$(VENV)/.ready: pyproject.toml constraints.txt
	@scripts/debian $(DEBIAN)
	$(call install,'.[dev]')
	@touch $(VENV)/.run $@

# The distribution's python3 sees the distribution's bcc; a virtual environment with its own would not.
define install
$(PYTHON) -m venv --system-site-packages $(VENV)
$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e $(1)
endef

run: setup-run
	@$(BIN)/tailrace run $(ARGS)

# Below $(PREFIX), with units and configuration; without the test tools. `sudo make uninstall` takes it away.
install: setup-run
	@scripts/debian $(DEBIAN_INSTALL)
	@PREFIX=$(PREFIX) scripts/install

uninstall:
	@PREFIX=$(PREFIX) scripts/uninstall

# The Debian package, into dist/.
deb: setup-run
	@scripts/debian $(DEBIAN_INSTALL)
	@mkdir -p dist
	@scripts/deb dist

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -m tests.page.node_tools

test: lint
	$(BIN)/pytest $(ARGS)

# What this branch changes, while one works on it: some minutes less, and no proof.
test-quick: $(VENV)/.ready
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	@tests=$$($(BIN)/python -m tests.touched) && [ -z "$$tests" ] || $(BIN)/pytest $$tests $(ARGS)

soak: setup
	SOAK=1 $(BIN)/pytest tests/integration $(ARGS)

bench: setup-bench
	$(BIN)/python -m benchmarks $(ARGS)

clean:
	rm -rf $(VENV) dist .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info
