#!/usr/bin/env bash
# Makes .venv with exactly what requirements.lock holds. Assumes python3 >= 3.11; takes uv where it is on the PATH.
set -euo pipefail
python=${PYTHON:-python3}

say() { printf 'environment: %s\n' "$*" >&2; }

command -v "$python" >/dev/null || { say "python3 is missing: apt-get install python3 python3-venv"; exit 1; }
"$python" -c 'import sys; raise SystemExit(sys.version_info < (3, 11))' ||
  { say "$("$python" --version) is too old: Python 3.11 or newer is needed"; exit 1; }

rm -rf .venv
if command -v uv >/dev/null; then
  say "building .venv with uv"
  uv venv --quiet --python "$python" .venv
  install=(uv pip install --quiet --python .venv/bin/python)
else
  "$python" -c 'import ensurepip, venv' 2>/dev/null ||
    { say "the venv module is missing: apt-get install python3-venv"; exit 1; }
  say "building .venv with pip (a minute or two, once)"
  "$python" -m venv .venv
  pip=(.venv/bin/python -m pip install --quiet --disable-pip-version-check)
  # uv itself comes from the lock, by its hashes; where it cannot reach the index that pip reaches, pip goes on.
  awk '/^uv==/ {on = 1} on {print} on && !/\\$/ {exit}' requirements.lock > .venv/uv.lock
  "${pip[@]}" --require-hashes -r .venv/uv.lock
  install=(.venv/bin/uv pip install --quiet --python .venv/bin/python)
  "${install[@]}" --require-hashes -r requirements.lock || install=("${pip[@]}")
fi
"${install[@]}" --require-hashes -r requirements.lock
"${install[@]}" --no-deps --no-build-isolation -e .
.venv/bin/python -m compileall -q responder lab main.py || true
touch .venv/ready
say "ready"
