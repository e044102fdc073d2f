#!/usr/bin/env bash
# The whole benchmark: installs the npm packages, builds, starts Redis, InfluxDB and the server (with Docker Compose if
# an engine answers, else as processes of this machine), measures them under load, takes profiles, writes a report, and
# removes everything that it started.
#   BINARY=false WORKERS=128 DURATION=120s bash scripts/benchmark.sh
# `bash scripts/benchmark.sh --help` shows all settings.
set -euo pipefail
cd "$(dirname "$0")/.."

. scripts/node.sh
need_node
install_packages
build_if_stale
exec node dist/cmd/bench/main.js run "$@"
