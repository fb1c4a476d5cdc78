# Everything runs with Node 20.19 or newer, npm and make. `make help` lists the targets.
.DEFAULT_GOAL := help
SHELL := /bin/sh

# npm writes this file at the end of an installation; it is as old as what is installed.
INSTALLED := node_modules/.package-lock.json
BUILT := server/dist/.built
# What is compared with is installed apart, so that only who compares has to fetch it.
BENCH := bench/node_modules/.package-lock.json
# Folders are listed too: theirs is the time that changes when a source is deleted.
SOURCES := $(shell find protocol/src client-lib/src server/src scaffold/src migrations -name '*.ts' -o -type d) \
           $(shell find dashboard/src dashboard/index.html dashboard/vite.config.js dashboard/package.json) \
           $(wildcard examples/*.ts examples/*/*.ts) $(wildcard fixtures/*) $(wildcard tsconfig*.json) $(wildcard */tsconfig*.json) package.json
# `exec`: Ctrl-C and SIGTERM reach node itself, and its exit code is the one that counts.
SEALWAY := exec node server/dist/main.js

## Run it

start: $(BUILT) ## Start the mediator (installs and builds if needed). Ctrl-C drains it
	@$(SEALWAY) start

client: $(BUILT) ## Start a passive service: listens, prints what arrives
	@exec node examples/dist/client.js $(NAME)

sender: $(BUILT) ## Start an active service: sends, calls and broadcasts every few seconds
	@exec node examples/dist/sender.js $(NAME)

formation: $(BUILT) ## Start mediator, passive, active and standalone service together, each with a web page
	@exec node formation/run.mjs

fixtures: $(BUILT) ## Put groups, nodes and throw-away keys into the configured database
	@$(SEALWAY) fixtures

migrate: $(BUILT) ## Bring the configured database up to date
	@$(SEALWAY) migrate

doc: docker-ready ## Start MySQL with docker compose, on 127.0.0.1:3306
	@$(COMPOSE) up --detach mysql
	@echo "In .env: DATABASE_URL=mysql://sealway:sealway@127.0.0.1:3306/sealway"

doc-stop: docker-ready ## Stop that MySQL; its data stays
	@$(COMPOSE) stop mysql

## Work on it

test: $(INSTALLED) ## Run every test, on SQLite and on a real MySQL or MariaDB
	@exec node test/run.mjs

test-fast: $(INSTALLED) ## Run the tests without ports, processes, browsers and databases, in under a minute
	@exec node node_modules/jest/bin/jest.js --config jest.fast.config.mjs

test-full: $(INSTALLED) ## Run every test with the full counts of docs/reliability.md: up to an hour
	@exec env TEST_FULL=1 node test/run.mjs

check: $(INSTALLED) ## Types, lint, format
	@npm run --silent check

bench: $(BUILT) $(BENCH) ## Compare with other systems, side by side
	@exec node bench/run.mjs

bench-quick: $(BUILT) $(BENCH) ## Us, NATS, ws and the raw relay, in four minutes
	@exec node bench/run.mjs --quick

install: $(INSTALLED) ## Install the dependencies, if they changed

build: $(BUILT) ## Compile, if a source changed

clean: ## Remove what was installed and built. Databases and secrets stay
	rm -rf node_modules */node_modules */dist coverage bench/tmp .prepare.lock

help: ## Show this
	@awk -F ':.*## ' '/^## / { print "\n" substr($$0, 4) } /^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

.PHONY: start client sender formation fixtures migrate doc doc-stop test test-fast test-full check bench bench-quick install build clean help
.PHONY: node-ready docker-ready

$(INSTALLED): package-lock.json | node-ready
	@node scripts/prepare.mjs install

$(BENCH): bench/package-lock.json | node-ready
	@node scripts/prepare.mjs install bench

$(BUILT): $(INSTALLED) $(SOURCES)
	@node scripts/prepare.mjs build

# Written for any node, however old.
node-ready:
	@command -v node > /dev/null || { echo "Sealway needs Node 20.19 or newer, and finds no node: https://nodejs.org" >&2; exit 1; }
	@node -e 'var v = process.versions.node.split("."); if (v[0] < 20 || (v[0] == 20 && v[1] < 19)) { console.error("Sealway needs Node 20.19 or newer; this is " + process.versions.node + ": https://nodejs.org"); process.exit(1) }'
	@command -v npm > /dev/null || { echo "Sealway needs npm, and finds none: https://nodejs.org" >&2; exit 1; }

# The plugin (docker compose) or the program (docker-compose), whichever is there.
COMPOSE = $(shell docker compose version > /dev/null 2>&1 && echo docker compose || echo docker-compose)
docker-ready:
	@docker compose version > /dev/null 2>&1 || command -v docker-compose > /dev/null || { echo "This needs Docker with compose: https://docs.docker.com/compose/install" >&2; exit 1; }
