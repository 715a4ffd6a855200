# The one list of commands. `make help` prints it.
.POSIX:
SHELL = /bin/sh
CARGO = cargo

.PHONY: help run build test soak check fmt bench openapi tools clean

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile

run: ## serve on http://localhost:8080 with the embedded store and the stub gateway
	$(CARGO) run --bin phone-auth

build: ## build the release binary, target/release/phone-auth
	$(CARGO) build --release --bin phone-auth

test: tools ## run every test: laws, domain, HTTP, faults, browser, examples
	$(CARGO) build --workspace --bins
	$(CARGO) test --workspace

soak: tools ## break every server under load, each for SOAK_SECONDS (60); SOAK_SEED repeats a run
	$(CARGO) build --workspace --bins
	SOAK_SECONDS=$${SOAK_SECONDS:-60} $(CARGO) test --package phone-auth-tests --test soak -- scenarios --nocapture

check: ## format, lints, docs, architecture rules, advisories
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --workspace --no-deps --quiet
	sh scripts/check-architecture
	sh scripts/check-advisories

fmt: ## format the code
	$(CARGO) fmt --all

bench: tools ## benchmark the release binary against bare servers: actix-web, pgbench, redis-benchmark
	$(CARGO) build --release --bin phone-auth
	$(CARGO) run --release --package phone-auth-bench
	$(CARGO) bench --package phone-auth-domain

openapi: ## write docs/openapi.json anew from the code
	UPDATE_OPENAPI=1 $(CARGO) test --package phone-auth-app openapi

tools: ## install the browser and the servers that the tests use, where they are missing
	sh scripts/install-tools

clean: ## remove what was built
	$(CARGO) clean
