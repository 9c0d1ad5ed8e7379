#!/usr/bin/env bash
# Install a wheel or source archive into a fresh environment that has nothing else, and fit a small
# catalogue with it.
#
#   .ci/smoke.sh [ARCHIVE]     without ARCHIVE, a wheel is built from the checkout
#
# PYTHON chooses the interpreter (python3), and CONSTRAINTS the pins (constraints.txt; empty: none).
set -euo pipefail
cd "$(dirname "$0")/.."
constraints=${CONSTRAINTS-constraints.txt}
work=$(mktemp -d "${TMPDIR:-/tmp}/sedum-smoke.XXXXXX")
trap 'rm -rf "$work"' EXIT
unset PYTHONPATH

"${PYTHON:-python3}" -m venv "$work/venv"
pip=("$work/venv/bin/python" -m pip --disable-pip-version-check)
install=("${pip[@]}" install --quiet --no-compile ${constraints:+--constraint "$constraints"})

archive=${1:-}
if [ -z "$archive" ]; then
  "${pip[@]}" wheel --quiet --no-deps --wheel-dir "$work/dist" .
  archive=$(echo "$work"/dist/sedum-*.whl)
fi
# torch comes first and alone: a plain install of the rest could choose another build of it.
"${install[@]}" torch
"${install[@]}" "$archive"
"$work/venv/bin/python" .ci/smoke.py
