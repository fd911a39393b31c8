# The one entry point, for people and for CI. Each target is a command or two that can also be typed by hand.

FUNCTIONS    := $(patsubst functions/%/Cargo.toml,%,$(wildcard functions/*/Cargo.toml))
CARGO_LAMBDA := .tools/bin/cargo-lambda
ZIG          := .tools/zig/zig
OHA          := .tools/bin/oha
RELEASE      := $(or $(CARGO_TARGET_DIR),target)/release
# `make build FEATURES=fdb` builds with the engine for production.
FEATURES     :=

# What the generator of FoundationDB's bindings is told. The same in every target, because bindgen is compiled anew when it changes.
ifndef LIBCLANG_PATH
LIBCLANG     := .tools/libclang/libclang.$(if $(filter Darwin,$(shell uname -s)),dylib,so)
export LIBCLANG_PATH := $(CURDIR)/.tools/libclang
endif
export BINDGEN_EXTRA_CLANG_ARGS := -nostdinc -isystem '$(CURDIR)/infra/tools/bindgen'

.DEFAULT_GOAL := help

NEEDS_CLUSTER = test -f "$${FDB_CLUSTER_FILE:-}" || { echo "FDB_CLUSTER_FILE must name the cluster file of a FoundationDB cluster" >&2; exit 1; }

.PHONY: help
help: ## list the targets
	@awk 'BEGIN { FS = ":.*## " } /^[a-z%-]+:.*## / { sub("%", "NAME", $$1); printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# The programs are always selected with --bin and never with -p: cargo then resolves features for the whole workspace, as it does for
# the tests, and `run`, `watch` and `test` share what they compile. `exec` hands Ctrl-C and SIGTERM to the program itself.

.PHONY: run
run: ## all functions in one process on HOST:PORT (127.0.0.1:8080)
	@. ./infra/tools/dev-env.sh && exec cargo run --locked --bin gateway

# Compiled first: cargo-lambda would do it at a function's first request, and leave that request without an answer if it fails.
.PHONY: watch
watch: $(CARGO_LAMBDA) ## the real function binaries behind cargo-lambda's router on HOST:PORT, rebuilt on change
	cargo build --locked $(addprefix --bin ,$(FUNCTIONS))
	@. ./infra/tools/dev-env.sh && exec $(CARGO_LAMBDA) lambda watch --locked \
		--invoke-address "$${HOST:-127.0.0.1}" --invoke-port "$${PORT:-8080}"

.PHONY: test
test: $(CARGO_LAMBDA) ## every test, the flow through cargo-lambda included
	cargo test --workspace --locked
	@echo "The tests on a FoundationDB cluster were not run: \`make test-fdb\` does, on the one that FDB_CLUSTER_FILE names."

# Each starts a gateway of its own, and ends it.
.PHONY: test-contract
test-contract: test-clients ## a running gateway held to infra/openapi.json, by a fuzzer and by generated clients
	@sh infra/contract/fuzz.sh

.PHONY: test-clients
test-clients: ## the generated clients alone
	@sh infra/contract/clients.sh typescript
	@sh infra/contract/clients.sh python

.PHONY: test-fdb
test-fdb: $(CARGO_LAMBDA) $(LIBCLANG) ## every test on the FoundationDB cluster that FDB_CLUSTER_FILE names, each under its own root
	@$(NEEDS_CLUSTER)
	@command -v fdbserver >/dev/null && command -v fdbcli >/dev/null || { echo "fdbserver and fdbcli must be on the PATH: some tests start a cluster of their own and kill it" >&2; exit 1; }
	FDB_CLUSTER_FILE="$$(realpath "$$FDB_CLUSTER_FILE")" cargo test --workspace --locked --features fdb

.PHONY: test-fdb-here
test-fdb-here: ## the same, on a cluster that goes with the tests, of FoundationDB's release in .tools/ (Linux, x86-64)
	@sh infra/tools/install-foundationdb.sh
	@sh infra/fdb/with-cluster.sh $(MAKE) test-fdb

.PHONY: check
check: $(LIBCLANG) ## formatting, lints, and the rules of the architecture
	cargo fmt --all --check
	@sh infra/tools/lint-openapi.sh
	@sh infra/tools/lint-infra.sh
	@sh infra/tools/lint-template.sh
	cargo clippy --workspace --all-targets --features fdb --locked -- -D warnings
	cargo build --locked --bins --features fdb
	cargo run --quiet --locked --bin checks

# What the handlers say of themselves; a test tells when it has to be done.
.PHONY: openapi
openapi: ## write infra/openapi.json anew, from the code
	document=$$(cargo run --quiet --locked --example openapi) && printf '%s\n' "$$document" > infra/openapi.json

.PHONY: fmt
fmt: ## format every source
	cargo fmt --all

# Here packages are selected, so that features made for tests stay out of what is deployed.
LAMBDA_TOOLS    := $(CARGO_LAMBDA) $(ZIG) $(LIBCLANG)
BUILD_FUNCTIONS  = sh infra/tools/build-functions.sh $(or $(ARCH),arm64)

.PHONY: build
ifdef ARCH
build: $(LAMBDA_TOOLS)
	@$(BUILD_FUNCTIONS) $(FUNCTIONS)
else
build: $(if $(filter fdb,$(FEATURES)),$(LIBCLANG)) ## release binaries for this machine (FEATURES=fdb: on FoundationDB); with ARCH=arm64 or ARCH=x86_64, Lambda's
	cargo build --release --locked $(addprefix --package ,$(FUNCTIONS) gateway) $(addprefix --features ,$(FEATURES))
endif

# NAME is a folder in functions/, or its logical id in template.yaml: `sam build` makes these targets, with ARTIFACTS_DIR set.
build-%: $(LAMBDA_TOOLS) ## one function for Lambda, ARCH=arm64 (the default) or x86_64
	@$(BUILD_FUNCTIONS) $*

# SAM's name for the layer, in template.yaml.
.PHONY: layer build-FoundationDbClient
layer: build-FoundationDbClient ## FoundationDB's client for Lambda, ARCH=arm64 (the default) or x86_64
build-FoundationDbClient:
	@sh infra/fdb/layer.sh $(or $(ARCH),arm64)

# STACK=coditect-v5 is the stack; PARAMETERS="Name=value …" are the template's, each until it is given again.
.PHONY: deploy
deploy: $(LAMBDA_TOOLS) ## everything to AWS; at first with PARAMETERS (see the README)
	@sh infra/aws/deploy.sh all

deploy-%: $(LAMBDA_TOOLS) ## the code of one function, and nothing else
	@sh infra/aws/deploy.sh $*

rollback-%: ## one function's alias to the version that was live before, or to VERSION, at once
	@sh infra/aws/rollback.sh $*

.PHONY: image
image: ## the gateway's container image, coditect-v5, with both engines; it needs Docker
	docker build --file infra/docker/Dockerfile --tag coditect-v5 .

.PHONY: test-image
test-image: ## start the image and stop it
	@sh infra/docker/test.sh coditect-v5

# The programs are those that are deployed, so packages are selected; the peers are built apart, so that they get no features of ours.
.PHONY: bench
bench: $(OHA) ## everything that is held to a limit, measured side by side, into target/bench (about a quarter of an hour)
	cargo build --release --locked $(addprefix --package ,$(FUNCTIONS) gateway)
	cargo build --release --locked --package peer
	cargo run --release --quiet --locked --package bench -- all
	cargo run --quiet --locked --bin bench -- enumeration

.PHONY: bench-quick
bench-quick: ## one function's size, start, calls and memory beside the bare one's; fails when one leaves its bound
	cargo build --release --locked --package sessions
	cargo build --release --locked --package peer
	cargo build --locked --bin gateway --bin bench
	cargo run --quiet --locked --bin bench -- quick

.PHONY: cost
cost: ## infra/scale.md anew: what so many users take, computed from what `make bench` has measured
	cargo run --quiet --locked --bin bench -- cost

.PHONY: bench-startup
bench-startup: $(LIBCLANG) ## start-up time and memory with FoundationDB's client beside LMDB's, on the cluster of FDB_CLUSTER_FILE
	@$(NEEDS_CLUSTER)
	cargo build --release --locked --package gateway
	cp $(RELEASE)/gateway $(RELEASE)/gateway-lmdb
	cargo build --release --locked --package gateway --features fdb
	cargo run --quiet --locked --bin bench -- startup lmdb=$(RELEASE)/gateway-lmdb fdb=$(RELEASE)/gateway

.PHONY: clean
clean: ## remove what was built; the data in .data/ stays
	cargo clean

.PHONY: tools
tools: $(CARGO_LAMBDA) $(ZIG) $(LIBCLANG) ## install the pinned cargo-lambda and zig, and a libclang if there is none, into .tools/

$(CARGO_LAMBDA): infra/tools/install-cargo-lambda.sh
	@sh $<

$(ZIG): infra/tools/install-zig.sh
	@sh $<

$(OHA): infra/tools/install-oha.sh
	@sh $<

# Without prerequisites: any will do, and a link is as old as what it points to.
$(LIBCLANG):
	@sh infra/tools/install-libclang.sh
