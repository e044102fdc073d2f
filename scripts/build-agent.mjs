// Builds the agent into one file, dist/agent.cjs, which cmd/program/small-start.ts runs. In one file without white space, as CommonJS and
// without the parts that an agent seldom needs, it has 8 MB less memory than from its modules (docs/decisions/0014).
import { build } from 'esbuild'

/** Parts of Node.js that packages load and an agent seldom needs: loaded at their first use, and what is saved, MB. */
const SELDOM = new Map([
  // TLS, for `rediss://`: 2.0.
  ['tls', 'lazy'],
  // For scripts of Redis: with tls 1.6.
  ['crypto', 'lazy'],
  // pino, for its transports, and the assertions of several packages: 0.9.
  ['assert', 'lazy'],
  ['worker_threads', 'main'],
])
const CONTENTS = {
  lazy: (name) => `
    const loaded = () => process.getBuiltinModule(${JSON.stringify(name)})
    module.exports = new Proxy(function () {}, {
      get: (_, key) => loaded()[key],
      apply: (_, self, args) => loaded()(...args),
    })`,
  main: () => 'exports.isMainThread = true',
}

const seldomNeeded = {
  name: 'seldom needed',
  setup(builder) {
    builder.onResolve({ filter: /^(node:)?\w+$/ }, ({ path, importer }) => {
      const name = path.replace('node:', '')
      return importer.includes('node_modules') && SELDOM.has(name) ? { path: name, namespace: 'seldom' } : undefined
    })
    // Of all modules only the transports of pino load it, and no program here has one.
    builder.onResolve({ filter: /^thread-stream$/ }, () => ({ path: 'thread-stream', namespace: 'unused' }))
    builder.onLoad({ filter: /.*/, namespace: 'seldom' }, ({ path }) => ({
      contents: CONTENTS[SELDOM.get(path)](path),
    }))
    builder.onLoad({ filter: /.*/, namespace: 'unused' }, () => ({ contents: '' }))
    // The table of roles names them all.
    builder.onResolve({ filter: /^\.\.\/(up|server|api|generator|queue)\/open\.ts$/ }, ({ path }) => ({
      path: path.replace('..', './cmd').replace('.ts', '.js'),
      external: true,
    }))
  },
}

await build({
  entryPoints: ['cmd/agent/bundle.ts'],
  outfile: 'dist/agent.cjs',
  bundle: true,
  platform: 'node',
  format: 'cjs',
  target: 'node20',
  // Names stay, for stack traces; and so many lines, that a profile finds the place by the line alone.
  minifyWhitespace: true,
  minifySyntax: true,
  lineLimit: 100,
  sourcemap: 'linked',
  sourcesContent: false,
  legalComments: 'none',
  banner: { js: "const importMetaUrl = require('node:url').pathToFileURL(__filename).href" },
  define: { 'import.meta.url': 'importMetaUrl', 'import.meta.dirname': '__dirname' },
  // Loaded when they are needed, as elsewhere.
  external: ['@datadog/pprof', 'systeminformation'],
  plugins: [seldomNeeded],
  logLevel: 'warning',
})
