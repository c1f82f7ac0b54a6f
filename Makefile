# What a newcomer runs. Everything is set up inside the checkout, in .venv, by the first of these; nothing needs root.
.DEFAULT_GOAL := help
# Where the lab's hosts lie, and those of the scenarios; which scenario is wanted: make molecule SCENARIO=guards
LAB = .lab
SCENARIO =
# What make fuzz is given: targets, --seconds, --keep
FUZZ =
SCENARIO_LAB = $(CURDIR)/.lab-molecule
# Whose ansible and molecule run the scenarios.
BIN = $(CURDIR)/.venv/bin
# How many processes share the tests: one more than there are cores, as tests also wait.
WORKERS = $(shell expr $$(nproc) + 1)
# What else pytest is told: make test PYTEST="-k election", make test-hosts PYTEST=--repeats=10
PYTEST =
.PHONY: help demo demo-stop test test-hosts lab-up lab-demo lab-down molecule bench conformance fuzz lint docs accelerators setup clean

help:
	@echo "make demo        the main job on this machine: two nodes, a floating IP, three servers, and what happens when they die"
	@echo "make demo-stop   stop what the demo left running"
	@echo "make test        the tests, in minutes (those that need root say so when it is missing)"
	@echo "make test-hosts  the tests on hosts with systemd and sshd, all scenarios too; needs root, Debian or Ubuntu"
	@echo "make lab-up      five hosts with systemd and sshd on this machine, to try it on; needs root, Debian or Ubuntu"
	@echo "make lab-demo    the main job on those hosts, over ssh"
	@echo "make lab-down    take them down"
	@echo "make molecule    all scenarios of extensions/molecule, on such hosts"
	@echo "make bench       what requests cost, latency and memory, beside HAProxy and nginx"
	@echo "make conformance asks HAProxy and nginx what they do with the messages that are refused here, and writes it into docs/reference/http-conformance.md"
	@echo "make fuzz        atheris on what reads strangers' bytes, a minute for each reader; FUZZ='--seconds 600 requests' for one and longer"
	@echo "make lint        the linters and type checks"
	@echo "make accelerators  the runtime's hot rooms compiled, for each Python found and x86_64 and aarch64: accelerators/ (docs/how-to/acceleration.md)"
	@echo "make docs        writes what repeats the options: parts of the modules, role specs, reference"

setup: .venv/ready

.venv/ready: requirements/run.txt requirements/test.txt requirements/constraints.txt tools/setup
	@tools/setup

demo: setup
	@.venv/bin/python demo/story.py

demo-stop: setup
	@.venv/bin/python demo/story.py stop

test: setup
	@.venv/bin/python -m pytest --numprocesses=$(WORKERS) --dist=worksteal $(PYTEST) tests/unit tests/loopback tests/namespaces

test-hosts: setup
	@.venv/bin/python -m pytest $(PYTEST) tests/lab

lab-up: setup
	@.venv/bin/python -m tests.lab up --state "$(LAB)"

lab-demo: setup
	@.venv/bin/python -m tests.lab.demo --state "$(LAB)"

lab-down: setup
	@.venv/bin/python -m tests.lab down --state "$(LAB)"

molecule: setup
	@PATH="$(BIN):$$PATH" LC_ALL=C.UTF-8 ANSIBLE_HOME="$(CURDIR)/.build/ansible" MOLECULE_EPHEMERAL_DIRECTORY="$(CURDIR)/.build/molecule" \
		TANDEM_LAB="$(SCENARIO_LAB)" \
		molecule test $(if $(SCENARIO),--scenario-name $(SCENARIO),--all) --report

bench: setup
	@.venv/bin/python -m tests.bench

conformance: setup
	@.venv/bin/python -m tests.conformance

fuzz: setup
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check --requirement requirements/fuzz.txt
	@.venv/bin/python -m tests.fuzz $(FUZZ)

lint: setup
	@tools/lint

docs: setup
	@.venv/bin/python -m tools.docs

accelerators: setup
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check --requirement requirements/accelerators.txt --constraint requirements/constraints.txt
	@.venv/bin/python -m tools.accelerators

clean: demo-stop
	rm -rf .venv .demo .build accelerators
