# `make` lists the targets. Everything but `book`, `fuzz`, `engines` and `bench-rcs` needs Rust alone.
STORMPROOF := cargo run --quiet --release --locked --
NEGATIVE := scenarios/negative/p01_teardown_unlink.toml
SEEDS := 0..10000
NIGHT := 0..1000000
COMMITS := 10
KILLS := 5000
TARGET := $(or $(CARGO_TARGET_DIR),target)

help: ## Lists the targets.
	@sed -n 's/^\([a-z-]*\):.*## /  make \1  /p' $(firstword $(MAKEFILE_LIST))

run: ## Sweeps the sound scenarios, then finds a planted defect, shrinks it, explains it and replays it.
	$(STORMPROOF) sweep scenarios/fast --seeds 0..200
	$(STORMPROOF) sweep $(NEGATIVE) --seeds 0..1000 --stop-after-failures 1
	mkdir -p $(TARGET)/demo
	$(STORMPROOF) shrink $(NEGATIVE) --seed 0 --out $(TARGET)/demo/minimal.toml
	$(STORMPROOF) explain $(TARGET)/demo/minimal.toml --out $(TARGET)/demo/report.html; test $$? -eq 1
	$(STORMPROOF) replay $(TARGET)/demo/minimal.toml; test $$? -eq 1

test: lint ## All that a change must pass: format, lints, tests, equal fingerprints in both builds, the build without defects.
	cargo test --workspace --locked
	cargo test --release --locked -p stormproof-tests --test determinism
	cargo build --locked --no-default-features -p stormproof-scenarios

sweep: ## Runs the scenarios that once failed, sweeps the sound ones over SEEDS (0..10000) and writes target/sweep/results.jsonl.
	$(STORMPROOF) sweep scenarios/regress
	$(STORMPROOF) sweep scenarios/fast --seeds $(SEEDS) --out $(TARGET)/sweep

nightly: ## Sweeps the routing service over NIGHT (0..1000000) seeds of each of its scenarios: hours; goes on where it was stopped.
	$(STORMPROOF) sweep scenarios/fast/rcs_*.toml --seeds $(NIGHT) --out $(TARGET)/nightly $(if $(wildcard $(TARGET)/nightly/results.jsonl),--resume)

defects: ## Says how soon each planted defect is found, over 20 disjoint ranges of 1,000 seeds.
	$(STORMPROOF) defects

portable: ## Runs the pinned fingerprints on a 32-bit and on a big-endian machine, under an emulator where it is installed.
	tests/portable.sh

workspace-kills: ## Kills the writers of one workspace KILLS (5000) times: nothing lost, no gap, never two holders.
	STORMPROOF_WORKSPACE_KILLS=$(KILLS) cargo test --quiet --release --locked -p stormproof-local --test kills

bench-workspace: ## Measures acknowledged events a second beside the disk's own fsync rate and beside SQLite, in one run.
	cargo bench --quiet --locked -p stormproof-local --bench append

faults-cost: ## Measures what each fault costs the kernel per event, alone and with all others; at most twice the quiet kernel.
	cargo build --profile bench --locked -p stormproof-tests --bin bench-kernel
	$(TARGET)/release/bench-kernel faults

bench: peers ## Measures the kernel side by side with three other simulators; about five minutes.
	cargo build --profile bench --locked -p stormproof-tests --bin bench-kernel
	target/peers/release/bench --stormproof $(TARGET)/release/bench-kernel

peers: ## Builds the other simulators' contestants and the bench.
	cd tests/peers && env -u RUSTFLAGS -u CARGO_TARGET_DIR cargo build --release --workspace --locked

queue-test: ## Sweeps over a NATS queue whose workers and server are killed; installs Debian's nats-server if there is none.
	command -v nats-server || test -x /usr/sbin/nats-server || apt-get install -y --no-install-recommends nats-server
	cargo test --locked -p stormproof-scenarios --test queue -- --nocapture

engines: engines-installed ## Gives the routing service's examination to our replicas, on TCP too, and to a real etcd whose leader is killed; installs etcd and protoc.
	cargo clippy --locked -p stormproof-host -p stormproof-scenarios --features stormproof-scenarios/etcd --all-targets -- -D warnings
	cargo test --locked -p stormproof-host --features etcd --test etcd
	cargo test --locked -p stormproof-scenarios --features etcd --lib --test engines -- --nocapture

bench-rcs: engines-installed ## Measures our routing service beside a real etcd on this machine: throughput, latency, silence after a kill; about six minutes.
	cargo run --quiet --release --locked -p stormproof-scenarios --features etcd --bin bench-rcs

# Debian's etcd-server would start an etcd of its own: a policy-rc.d that says no is in the way while it is installed.
engines-installed: ## Installs Debian's etcd and protoc where they are missing.
	command -v etcd && command -v protoc && test -f /usr/include/google/protobuf/descriptor.proto || tests/install-engines.sh

faults: ## Shows what each fault does to a probe: asked, fired, effect observed.
	cargo run --quiet --release --locked -p stormproof-tests --bin faults

million: ## Sweeps up to a million quick seeds and prints the peak of memory.
	cargo run --quiet --release --locked -p stormproof-tests --example million

shrink-table: ## Shrinks failing runs of each planted defect and prints their sizes before and after.
	cargo run --quiet --release --locked -p stormproof-tests --example shrink-table

survival: ## Builds the last COMMITS (10) commits and says how many of the failures that they find still fail the same way.
	cargo run --quiet --release --locked -p stormproof-tests --example survival -- --commits $(COMMITS)

explore-table: ## Says how soon each exploration strategy finds each planted defect, over 20 disjoint ranges of seeds.
	cargo run --quiet --release --locked -p stormproof-tests --example explore-table

fmt: ## Formats the sources.
	cargo fmt --all

lint: ## Checks format and lints; a warning is an error.
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings

doc: ## Builds the interface documentation of the project's own crates.
	cargo doc --workspace --no-deps --locked

book: ## Builds the book into target/book; needs `cargo install mdbook`.
	mdbook build book

fuzz: ## Fuzzes the decoders for a minute each; needs nightly Rust and `cargo install cargo-fuzz`.
	cd tests && for target in frame record message recording ledger rcs wal; do cargo +nightly fuzz run $$target -- -malloc_limit_mb=2 -max_total_time=60 || exit 1; done

.PHONY: help run test sweep nightly million defects faults portable faults-cost workspace-kills bench-workspace bench peers queue-test engines engines-installed bench-rcs shrink-table explore-table survival fmt lint doc book fuzz
