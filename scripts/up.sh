#!/usr/bin/env bash
# Starts the whole pipeline on this machine: installs what npm gives, builds, and runs `sentinel up` until Ctrl-C.
# REDIS_URL and INFLUX_URL make it use those servers; arguments go on to `sentinel up` (see `--help`).
set -euo pipefail
cd "$(dirname "$0")/.."

. scripts/node.sh
need_node
install_packages
build_if_stale
exec node dist/cmd/sentinel/main.js up "$@"
