/**
 * The import rules of the project. Dependencies point one way: cmd → bench → internal, and inside internal from the bottom of this table
 * to its top. A folder imports itself, `text` and what its line names, nothing else.
 */
const ORDER = {
  text: [],
  sample: [],
  time: [],
  lifecycle: [],
  config: [],
  format: ['sample'],
  gpu: ['sample', 'format'],
  codec: ['sample', 'gpu'],
  fabric: ['sample', 'format', 'codec'],
  observe: ['sample', 'time'],
  source: ['sample', 'time', 'format', 'gpu', 'codec', 'observe', 'fabric'],
  broker: ['fabric', 'time', 'lifecycle', 'observe'],
  spool: ['observe'],
  store: ['sample', 'time', 'lifecycle', 'format', 'observe'],
  publish: ['sample', 'time', 'lifecycle', 'codec', 'observe', 'source', 'broker', 'spool'],
  intake: ['sample', 'time', 'format', 'gpu', 'codec', 'fabric', 'publish'],
  'dead-letters': ['sample', 'time', 'format', 'codec', 'spool', 'store'],
  ingest: ['sample', 'time', 'format', 'codec', 'observe', 'broker', 'spool', 'store', 'dead-letters'],
  live: ['sample', 'time', 'codec', 'observe', 'broker'],
  view: ['sample', 'fabric', 'time', 'observe', 'broker', 'store', 'live'],
  tls: [],
  auth: [],
  http: ['observe', 'tls', 'auth'],
  generator: ['time', 'format', 'observe', 'http'],
  queue: ['time', 'observe', 'broker', 'spool', 'tls', 'http'],
  api: [
    'sample',
    'fabric',
    'time',
    'format',
    'gpu',
    'observe',
    'intake',
    'store',
    'live',
    'view',
    'tls',
    'auth',
    'http',
  ],
}
/** The page: a folder a view, beside what all views share. Only `web/main.ts` imports views. */
const PAGE = {
  shared: [],
  charts: ['shared'],
  cells: ['shared'],
  frame: ['shared'],
  hosts: ['shared', 'charts'],
  fabric: ['shared', 'charts', 'cells'],
  gpus: ['shared', 'charts', 'cells'],
  queue: ['shared'],
}
/** The shapes of what the API answers: files without imports. The page may import their types, but no value. */
const FIGURES = 'internal/view/\\w+/figures\\.ts'
const BENCH = ['sample', 'time', 'lifecycle', 'format', 'codec', 'observe', 'broker', 'store', 'http']

/** The folders of test/. Each imports itself, `support` and what its line names; all may import the product. */
const TEST_PARTS = {
  support: [],
  bench: ['speed'],
  compose: [],
  fuzz: [],
  oracle: [],
  page: [],
  scripts: [],
  speed: ['bench', 'page/browser'],
  system: [],
}

const TESTS = '\\.(test|contract|bench)\\.ts$'
const only = (folder, allowed) => ({
  name: `${folder}-imports`,
  severity: 'error',
  from: { path: `^${folder}/`, pathNot: TESTS },
  to: {
    path: '^(cmd|bench|internal|web|test)/',
    pathNot: `^(${[folder, ...allowed, 'internal/text'].join('|')})(/|$)`,
  },
})
const inside = (folder) => `internal/${folder}`
const ofPage = (folder) => `web/${folder}`

module.exports = {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'no-orphan-files',
      severity: 'error',
      from: { orphan: true, pathNot: ['\\.d\\.ts$', '-process\\.ts$', '(^|/)[.]', '^scripts/'] },
      to: {},
    },
    {
      name: 'product-never-imports-tests',
      severity: 'error',
      from: { path: '^(cmd|bench|internal|web)/', pathNot: TESTS },
      to: { path: `(^test/|${TESTS})` },
    },
    {
      name: 'no-dev-dependency-in-the-product',
      severity: 'error',
      from: { path: '^(cmd|bench|internal)/', pathNot: `(^bench/page/|${TESTS})` },
      to: { dependencyTypes: ['npm-dev'] },
    },
    // The profilers have a package.json of their own, which is installed when one of them is first used.
    {
      name: 'no-unresolvable',
      severity: 'error',
      from: { pathNot: '^scripts/profilers/' },
      // Scripts import what the build makes, and the check runs on a checkout that is not built.
      to: { couldNotResolve: true, pathNot: '(^|/)dist/' },
    },
    {
      name: 'only-the-bench-program-imports-bench',
      severity: 'error',
      from: { path: '^cmd/', pathNot: '^cmd/bench/' },
      to: { path: '^bench/' },
    },
    ...Object.entries(TEST_PARTS).map(([part, allowed]) => ({
      name: `test-${part}-imports`,
      severity: 'error',
      from: { path: `^test/${part}/` },
      to: { path: '^test/', pathNot: `^test/(${[part, 'support', ...allowed].join('|')})(/|\\.ts$)` },
    })),
    {
      // Scripts run what is built.
      name: 'scripts-import-no-sources',
      severity: 'error',
      from: { path: '^scripts/' },
      to: { path: '^(cmd|bench|internal|web|test)/' },
    },
    only('web', [FIGURES]),
    ...Object.entries(PAGE).map(([folder, allowed]) => only(ofPage(folder), [...allowed.map(ofPage), FIGURES])),
    {
      name: 'the-page-imports-types-alone-from-views',
      severity: 'error',
      from: { path: '^web/' },
      to: { path: '^internal/view/', dependencyTypesNot: ['type-only'] },
    },
    only('bench/page', ['web/shared']),
    ...['baseline', 'load', 'report', 'run', 'stack'].map((part) =>
      only(`bench/${part}`, ['bench/(baseline|load|report|run|stack)', ...BENCH.map(inside)]),
    ),
    ...Object.entries(ORDER).map(([folder, allowed]) => only(inside(folder), allowed.map(inside))),
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '(^dist/|^scripts/profilers/node_modules/|\\.css$|\\.html$)' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default', 'types'] },
  },
}
