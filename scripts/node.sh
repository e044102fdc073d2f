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
  if [ ! -f "$stamp" ] || [ -n "$(find cmd internal bench web scripts/build-*.mjs package-lock.json tsconfig*.json -newer "$stamp" -print -quit)" ]; then
    echo "building" >&2
    npm run --silent build >&2
  fi
}

# Puts Node.js 24, which the image runs, before the installed one in PATH, where that is older. It comes from npm, in a folder of its own:
# among the packages of the project its `node` would hide the installed one from every npm script. Sets `installed_path` to the PATH before.
use_node24() {
  installed_path=$PATH
  [ "$(node -p 'process.versions.node.split(".")[0]')" -lt 24 ] || return 0
  local folder=scripts/node24 stamp=scripts/node24/node_modules/.sentinel-lock
  if ! cmp -s "$folder/package-lock.json" "$stamp" 2>/dev/null; then
    echo "installing Node.js 24 for the tests, beside $(node --version) (npm ci --prefix $folder)" >&2
    npm ci --prefix "$folder" --no-audit --no-fund --loglevel=error >&2
    cp "$folder/package-lock.json" "$stamp"
  fi
  [ -x "$folder/node_modules/.bin/node" ] ||
    { echo "npm has no Node.js 24 for $(uname -sm): the tests need it, install it (https://nodejs.org)" >&2; exit 1; }
  PATH="$PWD/$folder/node_modules/.bin:$PATH"
}
