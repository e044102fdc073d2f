#!/usr/bin/env bash
# Runs the server under load and under a profiler, and writes the profiler's page to profiles/<tool>-<time>.html.
# Installs, builds, starts Redis, InfluxDB and the server as processes of this machine, and removes everything that it
# started.
#   RATE=50000 DURATION=30s bash scripts/profile.sh clinic-flame
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
  cat <<'TEXT'
usage: bash scripts/profile.sh TOOL

  0x                 flame graph of CPU time, with V8's own frames
  clinic-flame       the same by Clinic.js: one frame after the other, the hottest first
  clinic-doctor      CPU, memory, event loop delay and handles over time, and a diagnosis
  clinic-bubbleprof  what waits for what: asynchronous operations and their delays
  heap               flame graph of the memory that is still in use at the end, by Clinic.js

Variables: DURATION (20s), RATE (20000 messages a second; 0 is as fast as the server can), FORMAT (packed, json or frame), and WORKERS,
SAMPLES, VALUES, HOSTS, BROKER, PIPELINE as scripts/benchmark.sh --help says.
TEXT
}

case "${1-}" in
  0x | clinic-flame | clinic-doctor | clinic-bubbleprof | heap) ;;
  -h | --help)
    usage
    exit 0
    ;;
  '')
    usage >&2
    exit 2
    ;;
  *)
    echo "there is no tool $1" >&2
    usage >&2
    exit 2
    ;;
esac
if [ $# -gt 1 ]; then
  echo "one tool at a time: $2 is one too many" >&2
  usage >&2
  exit 2
fi

. scripts/node.sh
need_node
install_packages
build_if_stale
exec node scripts/profilers/profile.mjs "$1"
