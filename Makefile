# Each target makes its own environment on a bare machine: python3 (3.11 or newer) and make are all that is assumed.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
PY := .venv/bin/python
# What could point a client somewhere else is cleared for everything that is started from here.
CLEAN := env -u HTTP_PROXY -u HTTPS_PROXY -u http_proxy -u https_proxy -u ALL_PROXY -u all_proxy -u KUBECONFIG

.PHONY: help demo demo-web picture test check eval kube e2e races chaos soak bench zip review sbom audit deploy-check lock clean

help:  ## what can be made
	@grep -hE '^[a-z.-]+:.*  ## ' $(MAKEFILE_LIST) | sed -E 's/:.*  ## /\t/' | expand -t 14

.venv: .venv/ready  ## the environment, everything installed

.venv/ready: requirements.lock pyproject.toml
	@bash lab/bootstrap.sh

demo: .venv/ready  ## a finding in, an investigation record out, against the lab
	@$(CLEAN) $(PY) -m lab demo

demo-web: .venv/ready  ## the demo's record in the review page, until it is ended
	@$(CLEAN) $(PY) -m lab demo-web

picture: .venv/ready  ## docs/record-page.png anew, from the demo, by Chromium
	@$(CLEAN) $(PY) -m lab picture

test: .venv/ready  ## all tests
	@$(CLEAN) $(PY) -m pytest -q -n 2 --dist loadscope

check: .venv/ready  ## lint, types, layers, generated files
	@.venv/bin/ruff check . && .venv/bin/ruff format --check . && .venv/bin/mypy && .venv/bin/lint-imports --no-cache
	@$(PY) -m lab.schema --check && $(PY) -m responder.schema --check && $(PY) -m responder.permissions --check

eval: .venv/ready  ## triage against the corpus: confusion matrix, misses, each signal's worth
	@$(CLEAN) .venv/bin/responder triage eval tests/corpus

# What runs commands in a container is skipped there by name: it takes a kubelet. So are races that no real server plays.
kube: .venv/ready  ## act and 200 races on a real Kubernetes API server: KUBE_APISERVER and ETCD, or LAB_KUBECONFIG
	@$(CLEAN) $(PY) -m lab.apiserver $(PY) -m pytest -q -rs tests/test_act.py tests/test_act_meanwhile.py tests/races/test_races.py \
	  tests/races/test_limits.py tests/live/test_remover.py tests/lab/test_front.py
	@$(CLEAN) $(PY) -m lab.apiserver $(PY) -m tests.races --count 200

e2e: .venv/ready  ## delivery on real parts: Pub/Sub and Firestore emulators, the function host, kills and faults
	@$(CLEAN) $(PY) -m tests.proof --events 3
	@$(CLEAN) $(PY) -m lab e2e

races: .venv/ready  ## act: each mishap at each call, then 1,000 seeded races, against the lab
	@$(CLEAN) $(PY) -m tests.races

chaos: .venv/ready  ## the long run of kills and faults (10 minutes and more)
	@$(CLEAN) $(PY) -m lab chaos --act

soak: .venv/ready  ## 120 findings a minute for 10 minutes, memory over 5,000 findings
	@$(CLEAN) $(PY) -m lab.bench --soak

bench: .venv/ready  ## speed and memory, as ratios within one run
	@$(CLEAN) $(PY) -m lab.bench

zip: .venv/ready  ## dist/functions.zip: the functions' source for the deployment, the same bytes from the same commit
	@$(PY) -m lab.package

review: .venv/ready  ## dist/review: what the image of the review page is built from
	@$(PY) -m lab.package --review

sbom: .venv/ready  ## dist/sbom.cdx.json: what the functions are made of (CycloneDX)
	@$(PY) -m lab.supply sbom

audit: .venv/ready  ## pip-audit of the functions' packages; 2 where the source of advisories could not be reached
	@$(PY) -m lab.supply audit

deploy-check: .venv/ready  ## deploy/ by the real Terraform core, without a cloud
	@DEPLOY_CHECK=1 $(PY) -m pytest -q tests/deploy

lock: .venv/ready  ## requirements.lock anew, and those of the functions and the review page: names, versions, hashes, no address
	@.venv/bin/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
	  --no-emit-index-url --no-emit-find-links --extra cli --extra firestore --extra capture --extra storage --extra review --group lab --group dev pyproject.toml -o requirements.lock >/dev/null
	@.venv/bin/uv pip compile -q --python-version 3.13 --python-platform x86_64-manylinux_2_28 --generate-hashes --no-annotate --no-header \
	  --no-emit-index-url --no-emit-find-links --extra firestore --extra capture --extra storage -c requirements.lock pyproject.toml -o deploy/requirements.txt >/dev/null
	@.venv/bin/uv pip compile -q --python-version 3.13 --python-platform x86_64-manylinux_2_28 --generate-hashes --no-annotate --no-header \
	  --no-emit-index-url --no-emit-find-links --no-emit-package functions-framework --no-emit-package cloudevents \
	  --extra cli --extra firestore --extra review -c requirements.lock pyproject.toml -o deploy/review/requirements.txt >/dev/null

clean:  ## remove what was made
	@rm -rf .venv .demo .shots .bench .deploy-check dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
