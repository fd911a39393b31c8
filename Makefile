# The entry point for developers and for CI. A target is one or two commands that can also be typed by hand.

FUNCTIONS    := $(patsubst functions/%/Cargo.toml,%,$(wildcard functions/*/Cargo.toml))
CARGO_LAMBDA := .tools/bin/cargo-lambda
ZIG          := .tools/zig/zig
OHA          := .tools/bin/oha
RELEASE      := $(or $(CARGO_TARGET_DIR),target)/release
# `make build FEATURES=fdb` builds with the FoundationDB engine.
FEATURES     :=

# Settings for the generator of FoundationDB's bindings. All targets share them, because cargo compiles bindgen again
# when they change.
ifndef LIBCLANG_PATH
LIBCLANG     := .tools/libclang/libclang.$(if $(filter Darwin,$(shell uname -s)),dylib,so)
export LIBCLANG_PATH := $(CURDIR)/.tools/libclang
endif
export BINDGEN_EXTRA_CLANG_ARGS := -nostdinc -isystem '$(CURDIR)/infra/tools/bindgen'

.DEFAULT_GOAL := help

NEEDS_CLUSTER = test -f "$${FDB_CLUSTER_FILE:-}" || \
	{ echo "FDB_CLUSTER_FILE must name the cluster file of a FoundationDB cluster" >&2; exit 1; }
NEEDS_SERVER  = command -v fdbserver >/dev/null && command -v fdbcli >/dev/null || \
	{ echo "fdbserver and fdbcli must be on the PATH: some tests start a cluster and kill it" >&2; exit 1; }

.PHONY: help
help: ## list the targets
	@awk 'BEGIN { FS = ":.*## " } /^[a-z%-]+:.*## / { sub("%", "NAME", $$1); printf "  make %-13s %s\n", $$1, $$2 }' \
		$(MAKEFILE_LIST)

# Programs are selected with --bin, not with -p: cargo then resolves features for the whole workspace, as for the
# tests, and `run`, `watch` and `test` share what they compile. With `exec`, Ctrl-C and SIGTERM reach the program
# itself.

.PHONY: run
run: ## run all functions and the web application in one process on HOST:PORT (127.0.0.1:8080)
	@sh infra/tools/build-web.sh optional
	@. ./infra/tools/dev-env.sh && exec cargo run --locked --bin gateway

# Node.js is needed for these targets only.
.PHONY: web web-app web-client web-shots test-web
web: web-modules ## serve the web application's sources, and reload on change, against `make run` or GATEWAY
	@cd functions/web/app && exec npm run --silent dev

web-app: ## build the web application, unless it is current
	@sh infra/tools/build-web.sh

web-client: web-modules ## build the client package @coditect/client in functions/web/app/client
	@cd functions/web/app && npm run --silent build:client && npm pack --silent --pack-destination client ./client

test-web: web-modules ## test the web application in a browser, against a gateway on a fresh store
	cargo build --locked --bin gateway
	@sh functions/web/app/tests/browser/run.sh

web-shots: web-modules ## take a picture of each page, in both themes and three widths, in functions/web/app/shots
	cargo build --locked --bin gateway
	@SHOTS=1 sh functions/web/app/tests/browser/run.sh shots

.PHONY: web-modules
web-modules:
	@cd functions/web/app && { [ node_modules/.package-lock.json -nt package-lock.json ] || npm ci --no-audit --no-fund; }

# Compiles first: cargo-lambda compiles a function at its first request, and does not respond to that request if it
# fails.
.PHONY: watch
watch: $(CARGO_LAMBDA) ## run the function binaries under cargo-lambda on HOST:PORT, and rebuild them on change
	cargo build --locked $(addprefix --bin ,$(FUNCTIONS))
	@. ./infra/tools/dev-env.sh && exec $(CARGO_LAMBDA) lambda watch --locked \
		--invoke-address "$${HOST:-127.0.0.1}" --invoke-port "$${PORT:-8080}"

.PHONY: test
test: $(CARGO_LAMBDA) ## run all tests on LMDB, including those under cargo-lambda
	cargo test --workspace --locked
	@echo "\`make test-fdb\` runs the tests on the FoundationDB cluster of FDB_CLUSTER_FILE; this run did not."

.PHONY: test-full-disk
test-full-disk: ## test the store on a full file system, where user namespaces may mount one
	@if unshare --map-root-user --mount mount -t tmpfs tmpfs /mnt 2>/dev/null; then \
		cargo test --locked -p kv --test lmdb -- --ignored a_full_file_system; \
	else \
		echo "The store was not tested on a full file system: this machine forbids mounting one."; \
	fi

# Each script starts a gateway and stops it.
.PHONY: test-mail
test-mail: ## test the mailer against a real SMTP server
	./functions/mailer/tests/smtp.sh

.PHONY: test-objects
test-objects: ## test the object store against moto and botocore
	./shared/objects/tests/s3.sh

.PHONY: test-contract
test-contract: test-clients test-files ## test a running gateway with a fuzzer, generated clients and file system suites
	@sh infra/contract/fuzz.sh

.PHONY: test-clients
test-clients: ## run the generated clients only
	@sh infra/contract/clients.sh typescript
	@sh infra/contract/clients.sh python

.PHONY: test-files
test-files: ## run the file system suites of PyFilesystem and fsspec only
	@sh infra/contract/files.sh

.PHONY: test-fdb
test-fdb: $(CARGO_LAMBDA) $(LIBCLANG) ## run all tests on the FoundationDB cluster of FDB_CLUSTER_FILE
	@$(NEEDS_CLUSTER)
	@$(NEEDS_SERVER)
	FDB_CLUSTER_FILE="$$(realpath "$$FDB_CLUSTER_FILE")" cargo test --workspace --locked --features fdb

.PHONY: test-fdb-here
test-fdb-here: ## the same on a temporary cluster; installs FoundationDB into .tools/ (Linux, x86-64)
	@sh infra/tools/install-foundationdb.sh
	@sh infra/fdb/with-cluster.sh $(MAKE) test-fdb

.PHONY: test-freeze
test-freeze: $(LIBCLANG) ## test the first request after a freeze of four minutes, on a cluster in a network namespace
	@sh infra/fdb/test-freeze.sh

# Not in CI: the first run compiles the gateway of the last release from nothing.
.PHONY: test-upgrade
test-upgrade: ## run the gateway of the last release and the current one on one store (before a release)
	@sh infra/upgrade/test.sh

.PHONY: check
check: $(LIBCLANG) ## check format, lints, architecture, the OpenAPI document, the template, scripts and workflows
	cargo fmt --all --check
	@sh infra/tools/lint-openapi.sh
	@sh infra/tools/lint-infra.sh
	@sh infra/tools/lint-server.sh
	@sh infra/tools/lint-template.sh
	cargo clippy --workspace --all-targets --features fdb,peer/client --locked -- -D warnings
	cargo build --locked --bins --features fdb
	cargo run --quiet --locked --bin checks

# A test fails when one of these files is not current.
.PHONY: openapi
openapi: ## write infra/openapi.json from the code
	document=$$(cargo run --quiet --locked --example openapi) && printf '%s\n' "$$document" > infra/openapi.json

.PHONY: template
template: ## write template.yaml from infra/aws/template.base.yaml and infra/aws/functions.toml
	template=$$(cargo run --quiet --locked --bin template) && printf '%s\n' "$$template" > template.yaml

.PHONY: fmt
fmt: ## format all sources
	cargo fmt --all

.PHONY: new-group
new-group: ## add the skeleton of an endpoint group: make new-group NAME=notes
	@cargo run --quiet --locked --bin new-group -- "$(NAME)"
	cargo update --quiet --workspace --offline
	cargo fmt --all
	$(MAKE) openapi template

.PHONY: test-new-group
test-new-group: ## add a group to a copy of the workspace, and run its tests there
	@sh infra/new-group/test.sh

# Here packages are selected, so that features for tests stay out of deployed programs.
LAMBDA_TOOLS    := $(CARGO_LAMBDA) $(ZIG) $(LIBCLANG)
BUILD_FUNCTIONS  = sh infra/tools/build-functions.sh $(or $(ARCH),arm64)

.PHONY: build
ifdef ARCH
build: $(LAMBDA_TOOLS)
	@$(BUILD_FUNCTIONS) $(FUNCTIONS)
else
build: $(if $(filter fdb,$(FEATURES)),$(LIBCLANG)) ## build release binaries; with ARCH=arm64 or x86_64, for Lambda
	SOURCE_COMMIT=$$(git rev-parse HEAD) \
	    cargo build --release --locked $(addprefix --package ,$(FUNCTIONS) gateway) $(addprefix --features ,$(FEATURES))
endif

# NAME is a folder in functions/, or a logical id in template.yaml: `sam build` calls these targets with ARTIFACTS_DIR
# set.
build-%: $(LAMBDA_TOOLS) ## build one function for Lambda, for ARCH=arm64 (the default) or x86_64
	@$(BUILD_FUNCTIONS) $*

# `sam build` calls the second target, by the layer's logical id in template.yaml.
.PHONY: layer build-FoundationDbClient
layer: build-FoundationDbClient ## fetch FoundationDB's client for Lambda, for ARCH=arm64 (the default) or x86_64
build-FoundationDbClient:
	@sh infra/fdb/layer.sh $(or $(ARCH),arm64)

# STACK=coditect-v5 is the stack. PARAMETERS="Name=value …" are the template's, and stay set until the next change.
.PHONY: deploy
deploy: $(LAMBDA_TOOLS) ## deploy everything to AWS; the first time with PARAMETERS (see infra/aws/README.md)
	@sh infra/aws/deploy.sh all

deploy-%: $(LAMBDA_TOOLS) ## deploy the code of one function, and nothing else
	@sh infra/aws/deploy.sh $*

rollback-%: ## roll one function back to the previous live version, or to VERSION, within seconds
	@sh infra/aws/rollback.sh $*

# Docker where an engine runs, else Podman, whose own image format has no health check. BUILD_ARGS are further arguments
# of the build.
ENGINE = $(shell docker info >/dev/null 2>&1 && echo docker || echo podman)

.PHONY: image
image: ## build the gateway's container image, coditect-v5, with both engines (needs Docker or Podman)
	@engine=$(ENGINE) && $$engine build $$([ $$engine != podman ] || echo --format docker) \
		--build-arg SOURCE_COMMIT="$$(git rev-parse HEAD 2>/dev/null)" $(BUILD_ARGS) \
		--file infra/docker/Dockerfile --tag coditect-v5 .

.PHONY: test-image
test-image: ## start the image, use it, restart it with its data, and stop it
	@sh infra/docker/test.sh coditect-v5 $(ENGINE)

.PHONY: test-recipe
test-recipe: ## check that the layer of the image's dependencies can be built from Cargo.lock
	@sh infra/docker/recipe.sh

# Packages are selected, because these programs are measured as they are deployed. The peers are built separately, so
# that they do not get the features of the product's dependencies.
.PHONY: bench
bench: $(OHA) ## measure everything that has a bound, side by side, into target/bench (about 20 minutes)
	cargo build --release --locked $(addprefix --package ,$(FUNCTIONS) gateway)
	cargo build --release --locked --package peer
	cargo run --release --quiet --locked --package bench -- all

.PHONY: bench-quick
bench-quick: ## measure two functions, all zips and all store trips (a minute); fail when a bound is exceeded
	cargo build --release --locked $(addprefix --package ,$(FUNCTIONS))
	cargo build --release --locked --package peer
	cargo build --locked --bin gateway --bin bench
	cargo run --quiet --locked --bin bench -- quick

.PHONY: cost
cost: ## write infra/scale.md: load and cost by number of users, computed from the results of `make bench`
	cargo run --quiet --locked --bin bench -- cost

# PARTS selects some: size, cold, endpoints, reads, writes, contention.
.PHONY: bench-fdb
bench-fdb: $(OHA) $(LIBCLANG) ## measure endpoints and functions on the cluster of FDB_CLUSTER_FILE, beside the client
	@test -f "$${FDB_CLUSTER_FILE:-}" || \
		{ echo "THE BENCHMARKS DID NOT RUN: FDB_CLUSTER_FILE must name a cluster file" >&2; exit 1; }
	cargo build --release --locked $(addprefix --package ,$(FUNCTIONS) gateway) --features fdb
	cargo build --release --locked --package peer --features client
	cargo run --release --quiet --locked --package bench -- fdb "$$(realpath "$$FDB_CLUSTER_FILE")" $(PARTS)

.PHONY: bench-startup
bench-startup: $(LIBCLANG) ## compare start-up with FoundationDB and LMDB, on the cluster of FDB_CLUSTER_FILE
	@$(NEEDS_CLUSTER)
	cargo build --release --locked --package gateway
	cp $(RELEASE)/gateway $(RELEASE)/gateway-lmdb
	cargo build --release --locked --package gateway --features fdb
	cargo run --quiet --locked --bin bench -- startup lmdb=$(RELEASE)/gateway-lmdb fdb=$(RELEASE)/gateway

.PHONY: clean
clean: ## remove build outputs; the data in .data/ stays
	cargo clean

.PHONY: tools
tools: $(CARGO_LAMBDA) $(ZIG) $(LIBCLANG) ## install cargo-lambda, zig and libclang into .tools/

$(CARGO_LAMBDA): infra/tools/install-cargo-lambda.sh
	@sh $<

$(ZIG): infra/tools/install-zig.sh
	@sh $<

$(OHA): infra/tools/install-oha.sh
	@sh $<

# It has no prerequisites: any libclang is fine, and a link is as old as its target.
$(LIBCLANG):
	@sh infra/tools/install-libclang.sh
