/** The import rules of the project: dependencies point one way, cmd → internal, and internal/sample is at the bottom. */
const only = (name, from, allowed) => ({
  name,
  severity: 'error',
  from: { path: `^internal/${from}/`, pathNot: '\\.(test|contract|bench)\\.ts$' },
  to: { path: '^(internal|cmd|web|test)/', pathNot: `^internal/(${[from, ...allowed].join('|')})/` },
})

module.exports = {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'no-orphan-files',
      severity: 'error',
      from: { orphan: true, pathNot: ['\\.d\\.ts$', '-process\\.ts$', '(^|/)[.]'] },
      to: {},
    },
    { name: 'internal-never-imports-cmd', severity: 'error', from: { path: '^internal/' }, to: { path: '^cmd/' } },
    { name: 'page-stands-alone', severity: 'error', from: { path: '^web/' }, to: { path: '^(internal|cmd|test)/' } },
    {
      name: 'product-never-imports-tests',
      severity: 'error',
      from: { path: '^(internal|cmd|web)/', pathNot: '\\.(test|contract|bench)\\.ts$' },
      to: { path: '(^test/|\\.(test|contract|bench)\\.ts$)' },
    },
    {
      name: 'no-dev-dependency-in-the-product',
      severity: 'error',
      from: { path: '^(internal|cmd)/', pathNot: '\\.(test|contract|bench)\\.ts$' },
      to: { dependencyTypes: ['npm-dev'] },
    },
    { name: 'no-unresolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
    only('sample-imports-nothing', 'sample', []),
    only('time-imports-nothing', 'time', []),
    only('lifecycle-imports-nothing', 'lifecycle', []),
    only('config-imports-nothing', 'config', []),
    only('format-imports', 'format', ['sample']),
    only('codec-imports', 'codec', ['sample']),
    only('observe-imports', 'observe', ['sample', 'time']),
    only('broker-imports', 'broker', ['time', 'observe']),
    only('source-imports', 'source', ['sample', 'time', 'observe']),
    only('spool-imports', 'spool', ['observe']),
    only('publish-imports', 'publish', ['sample', 'time', 'codec', 'broker', 'spool', 'observe', 'source']),
    only('store-imports', 'store', ['sample', 'time', 'format', 'observe']),
    only('live-imports', 'live', ['sample', 'time', 'codec', 'broker', 'observe']),
    only('ingest-imports', 'ingest', ['sample', 'time', 'codec', 'broker', 'store', 'spool', 'format', 'observe']),
    only('http-imports', 'http', ['observe']),
    only('bench-imports', 'bench', ['sample', 'time', 'codec', 'format', 'broker', 'store', 'lifecycle', 'http', 'observe']),
    only('api-imports', 'api', ['sample', 'time', 'http', 'live', 'store', 'observe']),
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '(^dist/|\\.css$|\\.html$)' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default', 'types'] },
  },
}
