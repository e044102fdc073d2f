#!/usr/bin/env bash
# Starts the whole pipeline on this machine: installs the npm packages, builds, and runs `sentinel up` until Ctrl-C.
# With REDIS_URL and INFLUX_URL it uses those servers. Arguments are passed to `sentinel up` (see `--help`).
set -euo pipefail
cd "$(dirname "$0")/.."

. scripts/node.sh
need_node
install_packages
build_if_stale
exec node dist/cmd/sentinel/main.js up "$@"
