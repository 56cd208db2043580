# make run    set up this machine, build, and run Neargate with a demo task
# make test   set up this machine and run every check and test
# make bench  side-by-side benchmarks (benches/README.md)

.PHONY: run test checks unit e2e bench setup setup-test
VENV := .venv

run: setup
	cargo build --release --locked -p neargate
	@exec target/release/neargate up --demo

setup:
	tools/setup run

setup-test:
	tools/setup test
	test -x $(VENV)/bin/pytest || python3 -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check -r tests/requirements.txt

test: setup-test checks unit e2e

checks:
	cargo fmt --all --check
	cargo xtask floors
	cargo xtask api --check
	cargo deny --log-level error check bans licenses sources
	cargo clippy --workspace --all-targets --locked -- -D warnings

unit:
	cargo test --workspace --locked

# In a network namespace of its own: nothing of the host's network is touched.
e2e:
	cargo build --locked -p neargate
	cargo xtask compatibility --check
	unshare --net sh -c 'ip link set lo up && exec $(VENV)/bin/pytest tests'

bench: setup-test
	tools/setup bench
	cargo build --release --locked -p neargate
	benches/run
