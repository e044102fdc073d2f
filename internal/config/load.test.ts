import { describe, expect, test } from 'vitest'
import { ROLES, type RoleName } from '../../cmd/program/roles.ts'
import { ConfigError } from './error.ts'
import { type LoadedSettings, loadSettings } from './load.ts'
import type { ReadFile } from './written.ts'

interface Given {
  readonly role?: RoleName
  readonly flags?: Record<string, string>
  readonly env?: Record<string, string>
  /** Text by path; `sentinel.yaml` is the settings file when it is given. */
  readonly files?: Record<string, string>
  readonly mode?: number
}

function load({ role = 'server', flags = {}, env = {}, files = {}, mode = 0o600 }: Given = {}): LoadedSettings {
  const readFile: ReadFile = (path) => {
    const text = files[path]
    if (text === undefined) throw Object.assign(new Error(`no such file, open '${path}'`), { code: 'ENOENT' })
    return { text, mode }
  }
  const all = 'sentinel.yaml' in files ? { config: 'sentinel.yaml', ...flags } : flags
  return loadSettings(ROLES[role], all, env, readFile)
}

function problemsOf(given: Given): readonly string[] {
  try {
    load(given)
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
  return []
}

describe('a value', () => {
  const key = 'ingest.flushMaxMs'
  const file = { 'sentinel.yaml': 'log:\n  level: info\ningest:\n  flushMaxMs: 1s\n' }
  const variable = { SENTINEL_INGEST_FLUSH_MAX_MS: '2s' }
  const flag = { [key]: '3s' }

  test.each([
    ['the default', {}, 250, 'default', ''],
    ['the file', { files: file }, 1000, 'file', 'sentinel.yaml:4'],
    ['a variable over the file', { files: file, env: variable }, 2000, 'variable', 'SENTINEL_INGEST_FLUSH_MAX_MS'],
    ['a flag over all', { files: file, env: variable, flags: flag }, 3000, 'flag', '--ingest-flush-max-ms'],
  ] as const)('comes from %s', (_what, given, expected, kind, where) => {
    const { settings, origins } = load(given)
    expect(settings.ingest.flushMaxMs).toBe(expected)
    expect(origins.get(key)).toEqual({ kind, where })
  })

  test('the file may be named by SENTINEL_CONFIG', () => {
    const files = { 'other.yaml': 'api: { port: 81 }' }
    expect(load({ env: { SENTINEL_CONFIG: 'other.yaml' }, files }).settings.api.port).toBe(81)
  })

  test.each([
    [{ REDIS_URL: 'redis://a' }, 'redis://a'],
    [{ REDIS_URL: 'redis://a', SENTINEL_REDIS_URL: 'redis://b' }, 'redis://b'],
    [{ REDIS_URL: '' }, 'redis://127.0.0.1:6379'],
  ])('from %o: redis.url is %s', (env, expected) => {
    expect(load({ env }).settings.redis.url).toBe(expected)
  })

  test.each([
    ['INFLUX_URL', 'INFLUXDB_URL', 'url', 'http://db:8086'],
    ['INFLUX_TOKEN', 'INFLUXDB_TOKEN', 'token', 'secret-token'],
    ['INFLUX_ORG', 'INFLUXDB_ORG', 'org', 'acme'],
    ['INFLUX_BUCKET', 'INFLUXDB_BUCKET', 'bucket', 'metrics'],
  ] as const)('is known as %s and as %s', (one, other, name, value) => {
    for (const variable of [one, other]) expect(load({ env: { [variable]: value } }).settings.influx[name]).toBe(value)
  })

  test.each([
    ['agent.include', 'cpu, mem', ['cpu', 'mem']],
    ['agent.intervalMs', '1.5s', 1500],
    ['outbox.maxBytes', '128MiB', 134_217_728],
    ['influx.gzip', 'on', true],
    ['api.corsOrigins', 'https://a, https://b', ['https://a', 'https://b']],
    ['broker.consumes', '0', [0]],
  ] as const)('%s, written %j, is %j', (key, text, expected) => {
    const [group, name] = key.split('.') as [keyof LoadedSettings['settings'], string]
    const { settings } = load({ role: 'up', flags: { [key]: text } })
    expect((settings[group] as Record<string, unknown>)[name]).toEqual(expected)
  })

  test('that is a list may be one in the file too', () => {
    const files = { 'sentinel.yaml': 'agent:\n  include: [cpu, mem]\n' }
    expect(load({ role: 'agent', files }).settings.agent.include).toEqual(['cpu', 'mem'])
  })
})

describe('an origin', () => {
  const origins = (text: string) => load({ role: 'api', flags: { 'api.corsOrigins': text } }).settings.api.corsOrigins

  test.each([
    ['https://dash.example/', 'https://dash.example'],
    ['HTTPS://Dash.example:443', 'https://dash.example'],
    ['http://[::1]:3000', 'http://[::1]:3000'],
  ])('%s is read as browsers write it', (text, origin) => {
    expect(origins(text)).toEqual([origin])
  })

  test.each(['*', 'null', 'dash.example', 'https://dash.example/a', 'https://app:hunter2@dash.example', 'ws://a'])(
    '%s is refused: no browser sends it',
    (text) => {
      expect(() => origins(text)).toThrow(/^(?!.*hunter2).*api\.corsOrigins: .* must be a list of origins/s)
    },
  )
})

describe('servers that are left out', () => {
  const kinds = (given: Given) => {
    const { broker, store, redis, influx, admin } = load(given).settings
    return [broker.kind, broker.partitions, store.kind, redis.url, influx.url, admin.port]
  }
  const REDIS = 'redis://127.0.0.1:6379'
  const INFLUX = 'http://127.0.0.1:8086'

  test.each([
    ['up', {}, ['memory', 1, 'duckdb', undefined, undefined, 6060]],
    ['up', { REDIS_URL: 'redis://r' }, ['pubsub', 1, 'duckdb', 'redis://r', undefined, 6060]],
    ['up', { INFLUX_URL: 'http://i' }, ['memory', 1, 'influx', undefined, 'http://i', 6060]],
    ['up', { SENTINEL_BROKER_KIND: 'streams' }, ['streams', 4, 'duckdb', REDIS, undefined, 6060]],
    ['up', { SENTINEL_STORE_KIND: 'influx' }, ['memory', 1, 'influx', undefined, INFLUX, 6060]],
    [
      'up',
      { REDIS_URL: 'redis://r', SENTINEL_BROKER_KIND: 'memory' },
      ['memory', 1, 'duckdb', 'redis://r', undefined, 6060],
    ],
    ['agent', {}, ['pubsub', 1, 'influx', REDIS, INFLUX, 9101]],
    ['server', { SENTINEL_BROKER_KIND: 'streams' }, ['streams', 4, 'influx', REDIS, INFLUX, 6060]],
    ['api', {}, ['pubsub', 1, 'influx', REDIS, INFLUX, 6061]],
  ] as const)('%s with %o', (role, env, expected) => {
    expect(kinds({ role, env })).toEqual(expected)
  })
})

test.each([
  [{}, 32],
  [{ 'generator.switches': '3125' }, 32],
  [{ 'generator.switches': '5000' }, 20],
  [{ 'generator.switches': '100000' }, 1],
  [{ 'generator.switches': '100000', 'generator.portsPerSwitch': '40' }, 40],
] as const)('a generator with %o has %i ports a switch', (flags, ports) => {
  expect(load({ role: 'generator', flags }).settings.generator.portsPerSwitch).toBe(ports)
})

test.each([
  ['queue:8081', 'http://queue:8081'],
  ['10.0.0.8:8081', 'http://10.0.0.8:8081'],
  ['https://queue.example/gateway', 'https://queue.example/gateway'],
])('the address of a queue may be written %s', (written, url) => {
  const { broker } = load({ role: 'agent', env: { USE_HTTP_QUEUE: 'true', MSG_QUEUE_ADDR: written } }).settings
  expect(broker).toMatchObject({ useHttp: true, httpUrl: url })
})

test('a queue understands the variables of an older system', () => {
  const env = {
    TOPICS: 'a,b',
    PARTITIONS_PER_TOPIC: '6',
    MAX_PARTITIONS: '8',
    QUEUE_SIZE: '500',
    VISIBILITY_TIMEOUT: '5s',
  }
  const { queue, broker } = load({ role: 'queue', env }).settings
  expect(queue).toMatchObject({ topics: ['a', 'b'], maxPartitions: 8, maxUnacked: 500, visibilityMs: 5000 })
  expect(broker.partitions).toBe(6)
  expect(load({ role: 'queue' }).settings.broker.partitions).toBe(4)
  const { group, topic } = load({ env: { MSG_QUEUE_GROUP: 'g', MSG_QUEUE_TOPIC: 't' } }).settings.broker
  expect([group, topic]).toEqual(['g', 't'])
})

test.each(['huge', 'HUGE', 'Huge'])('the mode of a generator may be written %s', (mode) => {
  expect(load({ role: 'generator', env: { SENTINEL_GENERATOR_MODE: mode } }).settings.generator.mode).toBe('HUGE')
})

describe('a secret', () => {
  const files = { '/etc/token': 'from-a-file\n', '/etc/other': 'from-another\r\n', '/etc/empty': '\n' }

  test.each([
    ['its variable', { env: { INFLUX_TOKEN: 'direct' } }, 'direct', 'INFLUX_TOKEN'],
    [
      'a file by INFLUX_TOKEN_FILE',
      { env: { INFLUX_TOKEN_FILE: '/etc/token' } },
      'from-a-file',
      '/etc/token (INFLUX_TOKEN_FILE)',
    ],
    [
      'a file by INFLUXDB_TOKEN_FILE',
      { env: { INFLUXDB_TOKEN_FILE: '/etc/other' } },
      'from-another',
      '/etc/other (INFLUXDB_TOKEN_FILE)',
    ],
    [
      'a file by its flag, over the variable',
      { env: { INFLUX_TOKEN: 'direct' }, flags: { 'influx.tokenFile': '/etc/token' } },
      'from-a-file',
      '/etc/token (--influx-token-file)',
    ],
    [
      'the variable, over a file that the settings file names',
      { env: { INFLUX_TOKEN: 'direct' }, files: { 'sentinel.yaml': 'influx: { tokenFile: /etc/token }' } },
      'direct',
      'INFLUX_TOKEN',
    ],
  ] as const)('comes from %s', (_what, given, expected, where) => {
    const { settings, origins, secrets } = load({
      ...given,
      files: { ...files, ...('files' in given ? given.files : {}) },
    })
    expect(settings.influx.token).toBe(expected)
    expect(origins.get('influx.token')?.where).toBe(where)
    expect(secrets).toEqual([expected])
  })

  test('of a URL is a secret too, as it is written, decoded, and as HTTP sends it', () => {
    const { secrets } = load({ env: { REDIS_URL: 'redis://app:p%40ss@host' } })
    expect(secrets).toEqual(['p%40ss', 'p@ss', Buffer.from('app:p@ss').toString('base64')])
  })

  test.each([
    [
      'a missing file',
      { INFLUX_TOKEN_FILE: '/no/such' },
      'influx.tokenFile (from INFLUX_TOKEN_FILE): /no/such cannot be read: there is no such file',
    ],
    [
      'an empty file',
      { INFLUX_TOKEN_FILE: '/etc/empty' },
      'influx.tokenFile (from INFLUX_TOKEN_FILE): /etc/empty is empty',
    ],
    [
      'two at once',
      { INFLUX_TOKEN: 'hunter2', INFLUX_TOKEN_FILE: '/etc/token' },
      'influx.token (from INFLUX_TOKEN) and influx.tokenFile (from INFLUX_TOKEN_FILE): set only one of them',
    ],
  ])('with %s is refused', (_what, env, problem) => {
    expect(problemsOf({ env, files })).toEqual([problem])
  })

  test.each([
    ['/etc/token', 0o644, ['/etc/token (influx.tokenFile) can be read by every user: chmod 600 it']],
    ['/etc/token', 0o640, []],
    ['/run/secrets/token', 0o444, []],
  ])('in %s with mode %o warns: %j', (path, mode, warnings) => {
    expect(load({ env: { INFLUX_TOKEN_FILE: path }, files: { [path]: 'x' }, mode }).warnings).toEqual(warnings)
  })

  test('URLs and names can come from files too; only a file with a password warns', () => {
    const env = { REDIS_URL_FILE: '/etc/redis', INFLUX_URL_FILE: '/etc/url', INFLUX_BUCKET_FILE: '/etc/bucket' }
    const contents = { '/etc/redis': 'redis://:pw@h:1\n', '/etc/url': 'http://h:2\n', '/etc/bucket': 'b\n' }
    const { settings, warnings } = load({ env, files: contents, mode: 0o644 })
    expect([settings.redis.url, settings.influx.url, settings.influx.bucket]).toEqual([
      'redis://:pw@h:1',
      'http://h:2',
      'b',
    ])
    expect(warnings.map((warning) => warning.split(' ')[0])).toEqual(['/etc/redis', '/etc/url'])
  })

  test('on the command line warns', () => {
    expect(load({ flags: { 'influx.token': 'hunter2' } }).warnings).toEqual([
      '--influx-token shows the secret to every user who can list processes: use --influx-token-file instead',
    ])
  })
})

describe('an invalid setting is refused, with where it was written and what to do', () => {
  const file = (text: string): Given => ({ files: { 'sentinel.yaml': text } })

  test.each<readonly [string, Given, RegExp]>([
    [
      'a word for a number',
      { flags: { 'api.port': 'eighty' } },
      /^api\.port: "eighty" \(from --api-port\) must be a whole number from 0 to 65535$/,
    ],
    [
      'a number out of bounds',
      { env: { SENTINEL_API_PORT: '65536' } },
      /^api\.port: "65536" \(from SENTINEL_API_PORT\) must be/,
    ],
    [
      'a fraction of a millisecond',
      { flags: { 'ingest.flushMinMs': '1.5' } },
      /must be a time from 1ms to 10s, such as/,
    ],
    [
      'a word that is not one of the choices',
      { env: { LOG_LEVEL: 'loud' } },
      /^log\.level: "loud" \(from LOG_LEVEL\) must be one of trace, debug,/,
    ],
    [
      'an unknown item of a list',
      { flags: { 'agent.include': 'cpu,gpu' } },
      /^agent\.include: "cpu,gpu" .* must be a list of cpu, mem,/,
    ],
    [
      'a URL of another scheme',
      { env: { REDIS_URL: 'http://h' } },
      /^redis\.url: "http:\/\/h" .* begins with redis:\/\/ or rediss:\/\/,/,
    ],
    ['no URL', { env: { INFLUX_URL: 'localhost:8086' } }, /^influx\.url: "localhost:8086" .* begins with http:\/\//],
    [
      'a password with a bare %',
      { env: { REDIS_URL: 'redis://:5%off@h' } },
      /^redis\.url: "redis:\/\/\*\*\*@h" .* such as %25$/,
    ],
    ['a database of a name', { env: { REDIS_URL: 'redis://h:1/main' } }, /^redis\.url: "redis:\/\/h:1\/main" /],
    ['a URL of no server', { env: { REDIS_URL: 'redis://' } }, /^redis\.url: "redis:\/\/" /],
    ['a URL with a password', { env: { REDIS_URL: 'redis://:p/ss@h' } }, /^redis\.url: "redis:\/\/\*\*\*@h" /],
    [
      'an unknown variable',
      { env: { SENTINEL_REDIS_ULR: 'x' } },
      /^there is no setting for the variable SENTINEL_REDIS_ULR, did you mean SENTINEL_REDIS_URL\?$/,
    ],
    [
      'an unknown key',
      file('agent:\n  host: a\n  intervalms: 1s\n'),
      /^sentinel\.yaml:3: there is no setting agent\.intervalms, did you mean agent\.intervalMs\?$/,
    ],
    [
      'an unknown group',
      file('agnet: { host: a }\n'),
      /^sentinel\.yaml:1: there is no setting agnet\.host, did you mean agent\.host\?$/,
    ],
    ['a key without a value', file('agent:\n  host:\n'), /^sentinel\.yaml:2: agent\.host has no value/],
    ['a group without settings', file('agent: 5\n'), /^sentinel\.yaml:1: agent is a group/],
    [
      'a list for one value',
      file('agent:\n  host: [a, b]\n'),
      /^sentinel\.yaml:2: agent\.host must be a text, not a list$/,
    ],
    ['a map for a value', file('agent:\n  host: { a: b }\n'), /^sentinel\.yaml:2: agent\.host has no value/],
    [
      'TLS without a key',
      file('admin:\n  tls: { cert: /c.pem }\n'),
      /^admin\.tlsCert and admin\.tlsKey belong together: name both or none$/,
    ],
    [
      'an authority of clients without TLS',
      { env: { SENTINEL_ADMIN_TLS_CLIENT_CA: '/ca.pem' } },
      /^admin\.tlsClientCa is for a port with TLS: set admin\.tlsCert and admin\.tlsKey too$/,
    ],
    [
      'an authority of a server without TLS',
      { env: { REDIS_URL: 'redis://h', SENTINEL_REDIS_CA_FILE: '/ca.pem' } },
      /^redis\.caFile is for rediss:\/\/ alone: change redis\.url, or leave it out$/,
    ],
    [
      'a certificate without its key',
      { env: { INFLUX_URL: 'https://h', SENTINEL_INFLUX_CERT_FILE: '/c.pem' } },
      /^influx\.certFile and influx\.keyFile belong together: name both or none$/,
    ],
    [
      'an authority of a gateway without TLS',
      { role: 'agent', env: { SENTINEL_BROKER_USE_HTTP: 'true', SENTINEL_BROKER_HTTP_CA_FILE: '/ca.pem' } },
      /^broker\.httpCaFile is for https:\/\/ alone: change broker\.httpUrl, or leave it out$/,
    ],
    [
      'what TLS has not',
      file('api: { tls: { cret: a } }\n'),
      /there is no setting api\.tlsCret, did you mean api\.tlsCert\?$/,
    ],
    ['a key that stands twice', file('agent:\n  host: a\n  host: b\n'), /^sentinel\.yaml:3: Map keys must be unique/],
    ['a file that is not YAML', file('agent: [\n'), /^sentinel\.yaml:\d: /],
    ['a file that is a list', file('- a\n'), /^sentinel\.yaml:1: a settings file has groups/],
    [
      'no such file',
      { flags: { config: 'none.yaml' } },
      /^the settings file none\.yaml cannot be read: there is no such file$/,
    ],
    [
      'memory between processes',
      { role: 'agent', env: { SENTINEL_BROKER_KIND: 'memory' } },
      /^broker\.kind memory works inside one process only, .*"sentinel up"/,
    ],
    [
      'a locked file between processes',
      { env: { SENTINEL_STORE_KIND: 'duckdb' } },
      /^store\.kind duckdb is a file that only one process can open: .*"sentinel up"/,
    ],
    [
      'one port for two of a generator',
      { role: 'generator', flags: { 'admin.port': '9001' } },
      /^admin\.port and generator\.port are both 9001/,
    ],
    [
      'more ports than a snapshot has rows',
      {
        role: 'generator',
        flags: { 'generator.profile': 'ufm', 'generator.switches': '5000', 'generator.portsPerSwitch': '21' },
      },
      /^generator\.switches \(5000\) times generator\.portsPerSwitch \(21\) is more than 100000 rows: lower one of them$/,
    ],
    ['one port for two', { role: 'up', flags: { 'api.port': '6060' } }, /^admin\.port and api\.port are both 6060/],
    [
      'bounds the wrong way round',
      { flags: { 'ingest.flushMinMs': '1s' } },
      /^ingest\.flushMinMs \(1000\) must not be above/,
    ],
    [
      'an address of a queue that is none',
      { role: 'agent', env: { MSG_QUEUE_ADDR: 'queue one' } },
      /^broker\.httpUrl: /,
    ],
    [
      'one port for two of a queue',
      { role: 'queue', flags: { 'admin.port': '8081' } },
      /^admin\.port and queue\.port are both 8081/,
    ],
    [
      'more partitions than a topic may have',
      { role: 'queue', flags: { 'broker.partitions': '65' } },
      /^broker\.partitions \(65\) must not be above queue\.maxPartitions \(64\)/,
    ],
    [
      'a fabric that cannot travel over HTTP',
      { role: 'agent', flags: { 'broker.useHttp': 'true', 'fabric.targets': 'http://h/counters' } },
      /^broker\.useHttp cannot carry the rows of fabrics/,
    ],
    [
      'a partition that is not there',
      { flags: { 'broker.consumes': '1' } },
      /^broker\.consumes names partition 1, but broker\.partitions is 1/,
    ],
  ])('%s', (_what, given, expected) => {
    const problems = problemsOf(given)
    expect(problems).toHaveLength(1)
    expect(problems[0]).toMatch(expected)
  })

  test('all of it at once', () => {
    const problems = problemsOf({ env: { SENTINEL_X: '1', LOG_LEVEL: 'loud' }, flags: { 'api.port': '-1' } })
    expect(problems).toHaveLength(3)
  })

  test('but an empty file, or one with only a comment, is valid', () => {
    expect(problemsOf(file(''))).toEqual([])
    expect(problemsOf(file('# nothing yet\n'))).toEqual([])
  })

  test('but a role accepts settings that only other roles use', () => {
    expect(problemsOf({ role: 'agent', env: { SENTINEL_STORE_KIND: 'duckdb', SENTINEL_API_PORT: '81' } })).toEqual([])
  })

  test('but the variables that Kubernetes sets for a service named sentinel-api are ignored', () => {
    const env = {
      SENTINEL_API_SERVICE_HOST: '10.0.0.1',
      SENTINEL_API_SERVICE_PORT: '8080',
      SENTINEL_API_SERVICE_PORT_HTTP: '8080',
      SENTINEL_API_PORT: 'tcp://10.0.0.1:8080',
      SENTINEL_API_PORT_8080_TCP: 'tcp://10.0.0.1:8080',
      SENTINEL_API_PORT_8080_TCP_ADDR: '10.0.0.1',
    }
    expect(load({ role: 'api', env }).settings.api.port).toBe(8080)
  })
})
