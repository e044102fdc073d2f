#!/usr/bin/env bash
# Everything that must hold. Installs the packages and, as root on Debian, the servers that the tests start. Then runs format, lint, types,
# import rules, dead code and unit tests (`check`), then contract, system and page tests, then the short matrix of the oracle. All of it runs on
# Node.js 24; where the installed one is older, the unit tests of what stands on its sockets, streams, files and profiler run on that too.
# `scripts/test.sh unit` and the like run one part.
set -euo pipefail
cd "$(dirname "$0")/.."

parts=("$@")
[ ${#parts[@]} -gt 0 ] || parts=(check contract system page oracle)
for part in "${parts[@]}"; do
  case $part in
    check | unit | contract | system | page | oracle) ;;
    *) echo "unknown part '$part': check, unit, contract, system, page, oracle" >&2; exit 2 ;;
  esac
done

. scripts/node.sh
need_node
install_packages
use_node24
echo "Node.js $(node --version)" >&2

# program:Debian package
servers=(redis-server:redis-server influxd:influxdb victoria-metrics:victoria-metrics chromium:chromium)
missing=()
for pair in "${servers[@]}"; do
  PATH="$PATH:/usr/sbin:/usr/local/sbin" command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}")
done
if [ ${#missing[@]} -gt 0 ]; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "installing ${missing[*]} (apt-get)" >&2
    log=$(mktemp)
    if ! { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
      tail -20 "$log" >&2
      echo "could not install ${missing[*]}: see above" >&2
      exit 1
    fi
    rm -f "$log"
  else
    echo "the tests need servers that are missing; as root on Debian: apt-get install ${missing[*]}" >&2
    exit 1
  fi
fi

# In a shell of its own, so that PATH is as before afterwards.
on_installed() (
  [ "$installed_path" != "$PATH" ] || exit 0
  PATH=$installed_path
  echo "$1 on the installed Node.js $(node --version)" >&2
  shift
  "$@"
)
# What stands on sockets, HTTP, streams, files, programs and the profiler of Node.js. The rest is plain JavaScript. Most of these tests wait.
unit_tests_on_installed() {
  on_installed "unit tests" npx vitest run --project unit --project unit-isolated --maxWorkers 4 internal/observe/profiling/ internal/http/ \
    internal/source/{fabric/source,gpu-csv/,nvidia-smi/,address,answer-body} internal/broker/redis/ internal/spool/segment-log internal/store/influx/kept-connection
}

# Contract tests wait for servers half of the time, as the unit tests on the installed Node.js do, and everything in `check` computes: side by
# side they take less. Those that wait get a core when they want one.
check_beside_contract() {
  build_if_stale
  local log
  log=$(mktemp)
  { npm run --silent test:contract && unit_tests_on_installed; } >"$log" 2>&1 &
  local waiting=$! failed=""
  trap "kill $waiting 2>/dev/null" EXIT
  nice -n 5 npm run --silent check || failed=" check"
  wait $waiting || failed+=" contract, or the unit tests on the installed Node.js"
  trap - EXIT
  cat "$log"
  rm -f "$log"
  [ -z "$failed" ] || { echo "failed:$failed" >&2; return 1; }
}

times=""
[[ " ${parts[*]} " != *" check contract "* ]] || beside_contract=true
for part in "${parts[@]}"; do
  started=$SECONDS
  case $part in
    check)
      if [ "${beside_contract:-}" = true ]; then
        check_beside_contract
      else
        npm run --silent check
        unit_tests_on_installed
      fi
      ;;
    contract)
      [ "${beside_contract:-}" != true ] || continue
      build_if_stale
      npm run --silent test:contract
      ;;
    unit)
      npm run --silent test:unit
      unit_tests_on_installed
      ;;
    *)
      build_if_stale
      npm run --silent "test:$part"
      # V8 versions differ in what they tell a profiler.
      [ "$part" != system ] || on_installed profiles npx vitest run --project system-alone test/system/profiling.test.ts
      ;;
  esac
  times+=" $part $((SECONDS - started)) s,"
done
echo "all good:${times%,}"
