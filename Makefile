# What a newcomer runs. Everything is set up inside the checkout, in .venv, by the first of these; nothing needs root.
.DEFAULT_GOAL := help
# Where the lab's hosts lie, and which scenario is wanted: make molecule SCENARIO=guards
LAB = .lab
SCENARIO =
# Whose ansible and molecule run the scenarios.
BIN = $(CURDIR)/.venv/bin
.PHONY: help demo demo-stop test lab-up lab-demo lab-down molecule bench lint setup clean

help:
	@echo "make demo        the main job on this machine: two nodes, a floating IP, three servers, and what happens when they die"
	@echo "make demo-stop   stop what the demo left running"
	@echo "make test        the tests (those that need root say so when it is missing)"
	@echo "make lab-up      five hosts with systemd and sshd on this machine, to try it on; needs root, Debian or Ubuntu"
	@echo "make lab-demo    the main job on those hosts, over ssh"
	@echo "make lab-down    take them down"
	@echo "make molecule    all scenarios of extensions/molecule, on such hosts"
	@echo "make bench       requests per second beside HAProxy and nginx"
	@echo "make lint        the linters and type checks"

setup: .venv/ready

.venv/ready: requirements/run.txt requirements/test.txt requirements/constraints.txt tools/setup
	@tools/setup

demo: setup
	@.venv/bin/python demo/story.py

demo-stop: setup
	@.venv/bin/python demo/story.py stop

test: setup
	@.venv/bin/python -m pytest

lab-up: setup
	@.venv/bin/python -m tests.lab up --state "$(LAB)"

lab-demo: setup
	@.venv/bin/python -m tests.lab.demo --state "$(LAB)"

lab-down: setup
	@.venv/bin/python -m tests.lab down --state "$(LAB)"

molecule: setup
	@PATH="$(BIN):$$PATH" LC_ALL=C.UTF-8 ANSIBLE_HOME="$(CURDIR)/.build/ansible" MOLECULE_EPHEMERAL_DIRECTORY="$(CURDIR)/.build/molecule" \
		molecule test $(if $(SCENARIO),--scenario-name $(SCENARIO),--all) --report

bench: setup
	@.venv/bin/python -m tests.bench

lint: setup
	@tools/lint

clean: demo-stop
	rm -rf .venv .demo .build
