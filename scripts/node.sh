# Shared by the scripts: ensures a recent Node.js, the packages of package-lock.json and an up-to-date dist/. Sourced,
# not run.

need_node() {
  command -v node >/dev/null || { echo "Node.js is missing: install version 20.19 or later (https://nodejs.org)" >&2; exit 1; }
  node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)' ||
    { echo "Node.js $(node --version) is too old: SentinelStream needs 20.19 or later" >&2; exit 1; }
}

# Runs npm ci if the lock file has changed since the last run. A linked node_modules belongs to another checkout and is
# used as it is, because npm ci would empty it.
install_packages() {
  [ ! -L node_modules ] || return 0
  local stamp=node_modules/.sentinel-lock
  if ! cmp -s package-lock.json "$stamp" 2>/dev/null; then
    echo "installing packages (npm ci)" >&2
    npm ci --no-audit --no-fund --loglevel=error >&2
    cp package-lock.json "$stamp"
  fi
}

# Builds if a source is newer than dist/.built, which has the time of the last build.
build_if_stale() {
  local stamp=dist/.built
  if [ ! -f "$stamp" ] || [ -n "$(find cmd internal bench web scripts/build-web.mjs package-lock.json tsconfig*.json -newer "$stamp" -print -quit)" ]; then
    echo "building" >&2
    npm run --silent build >&2
  fi
}
