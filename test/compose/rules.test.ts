import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { ROLES, type RoleName } from '../../cmd/program/roles.ts'
import { loadSettings } from '../../internal/config/load.ts'

// What docker-compose.yml and the image promise, without Docker.

interface Service {
  readonly image?: string
  readonly build?: { readonly context: string; readonly dockerfile: string }
  readonly command?: string | readonly string[]
  readonly environment?: Readonly<Record<string, string>>
  readonly ports?: readonly string[]
  readonly volumes?: readonly string[]
  readonly healthcheck?: { readonly test: readonly string[] }
  readonly restart: string
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>
  readonly stop_grace_period?: string
  readonly stop_signal?: string
  readonly tmpfs?: readonly string[]
}

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const read = (path: string): string => readFileSync(`${ROOT}/${path}`, 'utf8')

const compose = parse(read('docker-compose.yml'), { merge: true }) as {
  services: Readonly<Record<string, Service>>
  volumes: Readonly<Record<string, object>>
}
const services = Object.entries(compose.services)
const built = services.filter(([, { build }]) => build !== undefined)
const roles = built.filter(([name]) => name !== 'dashboards') as Array<[RoleName, Service]>
/** The roles that samples pass through. The generator keeps nothing, and knows no other. */
const keepers = roles.filter(([name]) => name !== 'generator')
const { influxdb, dashboards, server, api, generator, agent, welcome } = compose.services as Record<string, Service>

/** `${NAME:-default}` as it is where NAME is not set. */
function withDefaults(values: Readonly<Record<string, string>> = {}): Record<string, string> {
  const entries = Object.entries(values).map(([name, value]) => [name, value.replace(/\$\{\w+:-([^}]*)\}/g, '$1')])
  return Object.fromEntries(entries)
}

describe('docker-compose.yml', () => {
  it('has the servers, the roles, and two services that end', () => {
    expect(services.map(([name]) => name).sort()).toEqual([
      ...['agent', 'api', 'dashboards', 'generator', 'influxdb', 'queue', 'redis', 'server', 'welcome'],
    ])
    expect(built.map(([name]) => name)).toEqual(['dashboards', 'server', 'api', 'generator', 'queue', 'agent'])
    expect([dashboards?.restart, welcome?.restart]).toEqual(['on-failure:5', 'no'])
  })

  it.each(services)('%s is reached from this machine only', (_name, { ports = [] }) => {
    for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:\$\{[A-Z_]+:-(\d+)\}:\1$/)
  })

  it.each(services.filter(([name]) => !['dashboards', 'welcome'].includes(name)))(
    '%s has a health check',
    (_name, service) => {
      expect(service).toMatchObject({
        restart: 'unless-stopped',
        healthcheck: { interval: expect.any(String), timeout: '3s', retries: 3, start_period: '60s' },
      })
    },
  )

  it.each(services)('%s writes no more than 30 MB of log', (_name, service) => {
    expect(service).toMatchObject({ logging: { options: { 'max-size': '10m', 'max-file': '3' } } })
  })

  it.each(built)('%s may do nothing but its work', (_name, service) => {
    expect(service).toMatchObject({
      init: true,
      read_only: true,
      tmpfs: ['/tmp'],
      cap_drop: ['ALL'],
      security_opt: ['no-new-privileges:true'],
    })
    for (const forbidden of ['privileged', 'cap_add', 'network_mode', 'pid', 'user', 'devices']) {
      expect(service).not.toHaveProperty(forbidden)
    }
    // Of the machine it may read; write only what it keeps.
    for (const volume of service.volumes ?? [])
      expect(volume).toMatch(/^\/[\w/]*:\/host\/\w+:ro$|^[a-z]+-data:\/app\/data$|^keys-data:\/app\/keys$/)
  })

  it.each(keepers)('%s keeps what is on its disk when its container is made anew', (role, service) => {
    expect(service.volumes).toContain(`${role}-data:/app/data`)
    expect(Object.keys(compose.volumes)).toContain(`${role}-data`)
    const { settings } = loadSettings(ROLES[role], {}, { ...imageEnv, ...withDefaults(service.environment) })
    const names: Partial<Record<RoleName, string>> = {
      server: settings.broker.consumer,
      agent: settings.agent.host,
      api: settings.agent.host,
      queue: settings.agent.host,
    }
    expect(names[role]).not.toBe(hostname())
  })

  it('asks for keys: API and queue have one file of them, and the first that starts makes one', () => {
    for (const [role, service] of roles) {
      const env = { ...imageEnv, ...withDefaults(service.environment) }
      const { settings } = loadSettings(ROLES[role], {}, env)
      // Its port is bound to this machine.
      expect([role, settings.auth.public]).toEqual([role, ['metrics']])
      const asks = role === 'api' || role === 'queue'
      expect(service.volumes?.includes('keys-data:/app/keys') ?? false, role).toBe(asks)
      if (!asks) continue
      expect(settings.auth).toMatchObject({ firstKey: true, keysFile: '/app/keys/keys.json', key: undefined })
      expect(loadSettings(ROLES[role], {}, { ...env, API_KEY: 'a-key-of-the-user' }).settings.auth.key).toBeDefined()
      expect(service.environment!.API_KEY).toMatch(/^\$\{API_KEY:-\}$/)
    }
  })

  // Several builds of one name at once fail where the engine keeps its images in containerd.
  it('gives the images that it builds no common name', () => {
    for (const [, { build, image }] of built) {
      expect(build).toEqual({ context: '.', dockerfile: 'deploy/docker/Dockerfile' })
      expect(image).toBeUndefined()
    }
  })

  it('sets InfluxDB up as the roles use it', () => {
    const init = influxdb!.environment!
    expect(
      Object.keys(init)
        .filter((name) => name.startsWith('DOCKER_'))
        .sort(),
    ).toEqual(
      ['ADMIN_TOKEN', 'BUCKET', 'MODE', 'ORG', 'PASSWORD', 'RETENTION', 'USERNAME'].map(
        (name) => `DOCKER_INFLUXDB_INIT_${name}`,
      ),
    )
    expect(init.DOCKER_INFLUXDB_INIT_MODE).toBe('setup')
    // InfluxDB refuses a shorter one.
    expect(withDefaults(init).DOCKER_INFLUXDB_INIT_PASSWORD!.length).toBeGreaterThanOrEqual(8)
    for (const service of [dashboards, server, api]) {
      expect(service?.environment).toMatchObject({
        INFLUX_URL: 'http://influxdb:8086',
        INFLUX_TOKEN: init.DOCKER_INFLUXDB_INIT_ADMIN_TOKEN,
        INFLUX_ORG: init.DOCKER_INFLUXDB_INIT_ORG,
        INFLUX_BUCKET: init.DOCKER_INFLUXDB_INIT_BUCKET,
      })
    }
  })

  it('stops InfluxDB by the signal that it obeys, and gives it time', () => {
    expect(influxdb).toMatchObject({ stop_signal: 'SIGINT', stop_grace_period: '30s' })
  })

  it('keeps InfluxDB quiet, unless somebody wants to hear it', () => {
    expect(withDefaults(influxdb!.environment).INFLUXD_LOG_LEVEL).toBe('warn')
  })

  it('leaves no volume without a name behind', () => {
    // The folders that the images declare as volumes.
    const declared: Record<string, string[]> = { redis: ['/data'], influxdb: ['/var/lib/influxdb2', '/etc/influxdb2'] }
    for (const [name, { image, volumes = [], tmpfs = [] }] of services.filter(
      (service) => service[1].image !== undefined,
    )) {
      const mounted = [...volumes.map((volume) => volume.split(':')[1]), ...tmpfs]
      expect([name, mounted]).toEqual([name, expect.arrayContaining(declared[image!.split(':')[0]!]!)])
    }
    const named = services.flatMap(([, { volumes = [] }]) => volumes.map((volume) => volume.split(':')[0]!))
    const kept = named.filter((volume) => !volume.startsWith('/'))
    expect(Object.keys(compose.volumes).sort()).toEqual([...new Set(kept)].sort())
  })

  it('says at last where page and dashboards are for a browser of this machine, and how to log in', () => {
    const env = withDefaults(welcome!.environment)
    const { PAGE, DASHBOARDS, LOG_IN_AS } = env
    const port = (service: Service | undefined): string => /\{\w+:-(\d+)\}/.exec(service!.ports![0]!)![1]!
    expect(PAGE).toBe(`http://127.0.0.1:${port(api)}`)
    expect(DASHBOARDS).toBe(`http://127.0.0.1:${port(influxdb)}`)
    const init = withDefaults(influxdb!.environment)
    expect(LOG_IN_AS).toBe(init.DOCKER_INFLUXDB_INIT_USERNAME)
    const script = [welcome!.command].flat().join('\n').replaceAll('$$', '$')
    const said = (own: object): string =>
      execFileSync('sh', ['-c', script], { env: { ...env, ...own }, encoding: 'utf8' })
    expect(said({})).toMatch(new RegExp(`, password ${init.DOCKER_INFLUXDB_INIT_PASSWORD}\n$`))
    expect(said({})).toContain("the key in: docker compose logs api queue | grep 'API key'")
    // A password or key of the user's own is not printed.
    expect(said({ OWN_KEY: 'hunter2-hunter2-' })).toMatch(/log-in with the API_KEY that you set\n/)
    expect(welcome!.environment!.OWN_PASSWORD).toMatch(/^\$\{INFLUX_PASSWORD:-\}$/)
    expect(said({ OWN_PASSWORD: 'hunter2' })).toMatch(/, password the INFLUX_PASSWORD of the first start\n$/)
    expect(welcome!.depends_on).toMatchObject(
      Object.fromEntries(roles.map(([name]) => [name, { condition: 'service_healthy' }])),
    )
  })

  it('gives the roles addresses for links that a browser of this machine can open', () => {
    const { settings } = loadSettings(ROLES.api, {}, { ...imageEnv, ...withDefaults(api!.environment) })
    expect([settings.api.browserUrl, settings.influx.browserUrl]).toEqual([
      'http://127.0.0.1:8080',
      'http://127.0.0.1:8086',
    ])
  })

  it('has a fabric that is called made up, whose generator knows the name by which the agent asks it', () => {
    const { settings } = loadSettings(ROLES.agent, {}, { ...imageEnv, ...withDefaults(agent!.environment) })
    expect(settings.fabric.named).toEqual(['made-up=http://generator:9001/counters'])
    const played = loadSettings(ROLES.generator, {}, { ...imageEnv, ...withDefaults(generator!.environment) })
    expect(played.settings.generator).toMatchObject({ hosts: ['generator'], port: 9001, push: undefined })
  })

  it('keeps the token from the agent, which needs none', () => {
    expect(Object.keys(agent!.environment!).filter((name) => name.startsWith('INFLUX'))).toEqual([])
  })

  // The program of Debian's package. The plugin knows further forms.
  it('is read by docker-compose 1.29 too: of a variable it knows the value and the default', () => {
    const forms = read('docker-compose.yml').match(/(?<!\$)\$\{[^}]*\}/g)
    expect(forms?.filter((form) => !/^\$\{\w+(:?-[^}]*)?\}$/.test(form))).toEqual([])
  })

  it('has the secrets of the demo, and nothing else has them', () => {
    const { DOCKER_INFLUXDB_INIT_ADMIN_TOKEN: token, DOCKER_INFLUXDB_INIT_PASSWORD: password } = withDefaults(
      influxdb!.environment,
    )
    const files = ['cmd', 'internal', 'web', 'deploy', 'scripts', 'docs'].flatMap((folder) =>
      readdirSync(`${ROOT}/${folder}`, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => `${entry.parentPath}/${entry.name}`),
    )
    expect(files.length).toBeGreaterThan(100)
    for (const file of files) {
      const text = readFileSync(file, 'latin1')
      for (const secret of [token!, password!]) expect([file, text.includes(secret)]).toEqual([file, false])
    }
  })

  it.each(roles)('%s understands its variables, and is asked for its health where it answers', (role, service) => {
    expect(service.command).toBe(role)
    const { settings, warnings } = loadSettings(ROLES[role], {}, { ...imageEnv, ...withDefaults(service.environment) })
    expect(warnings).toEqual([])
    expect(settings).toMatchObject({
      admin: { host: '0.0.0.0' },
      api: { host: '0.0.0.0' },
      generator: { host: '0.0.0.0' },
      queue: { host: '0.0.0.0' },
      ...(role === 'generator' ? {} : { redis: { url: 'redis://redis:6379' }, agent: { host: 'demo' } }),
    })
    if (role === 'server' || role === 'api')
      expect(settings.influx).toMatchObject({ url: 'http://influxdb:8086', org: 'sentinel' })
    const { procRoot, sysRoot, mountRoot } = settings.agent
    if (role === 'agent') {
      const machine = [`/proc:${procRoot}:ro`, `/sys:${sysRoot}:ro`, `/:${mountRoot}:ro`]
      expect(service.volumes).toEqual([...machine, 'agent-data:/app/data'])
    }
    const port = role === 'api' ? settings.api.port : settings.admin.port
    expect(service.healthcheck?.test).toEqual(['CMD', 'bash', 'deploy/docker/ready.sh', `${port}`])
    const published = service.ports!.map((mapping) => Number(mapping.split(':').at(-1)))
    const own: Partial<Record<RoleName, number>> = {
      api: settings.api.port,
      generator: settings.generator.port,
      queue: settings.queue.port,
    }
    expect(published).toEqual([...(own[role] === undefined ? [] : [own[role]]), settings.admin.port])
    // The engine kills only after the role has given up by itself.
    expect(Number.parseInt(service.stop_grace_period!, 10) * 1000).toBeGreaterThan(settings.stop.deadlineMs)
  })

  it.each(built)('%s starts once the servers that it is given answer', (_name, { environment, depends_on = {} }) => {
    const given = Object.values(withDefaults(environment)).flatMap(
      (value) => /^(?:[\w-]+=)?\w+:\/\/(\w+):/.exec(value)?.[1] ?? [],
    )
    expect(depends_on).toEqual(Object.fromEntries(given.map((name) => [name, { condition: 'service_healthy' }])))
  })
})

const instructions = read('deploy/docker/Dockerfile')
  .split('\n')
  .filter((line) => /^[A-Z]+ /.test(line))
const imageEnv = Object.fromEntries(
  instructions
    .filter((line) => line.startsWith('ENV '))
    .flatMap((line) => line.slice('ENV '.length).split(' '))
    .map((pair) => pair.split('=', 2) as [string, string]),
)

describe('the image', () => {
  const bases = instructions.filter((line) => line.startsWith('FROM ')).map((line) => line.split(' ')[1]!)
  const final = instructions.slice(instructions.findLastIndex((line) => line.startsWith('FROM ')))

  it('and the servers beside it come from pinned tags', () => {
    const stages = instructions.flatMap((line) => / AS (\w+)$/.exec(line)?.[1] ?? [])
    const images = [
      ...bases.filter((base) => !stages.includes(base)),
      ...services.flatMap(([, { image }]) => image ?? []),
    ]
    expect(images.length).toBe(5)
    for (const image of images) expect(image).toMatch(/^[a-z]+:\d+(\.\d+)?(-[\w-]+)?$/)
    expect(new Set(images.filter((image) => image.startsWith('node:'))).size).toBe(1)
  })

  it('runs as a user without rights, who owns the folder of the embedded store and nothing else', () => {
    expect(final.filter((line) => line.startsWith('USER '))).toEqual(['USER node'])
    expect(final.findIndex((line) => line.startsWith('USER '))).toBeGreaterThan(
      final.findLastIndex((line) => /^(RUN|COPY) /.test(line)),
    )
    expect(final.filter((line) => line.includes('chown'))).toEqual(['RUN mkdir data keys && chown node:node data keys'])
    expect(loadSettings(ROLES.up, {}, imageEnv).settings.duckdb.path).toBe('./data/sentinel.duckdb')
  })

  it('exposes the ports of all roles', () => {
    const ports = Object.values(ROLES).flatMap((role) => {
      const { settings } = loadSettings(role, {}, imageEnv)
      return [settings.admin.port, settings.api.port, settings.generator.port, settings.queue.port]
    })
    const exposed = final
      .find((line) => line.startsWith('EXPOSE '))!
      .split(' ')
      .slice(1)
      .map(Number)
    expect(exposed.sort()).toEqual([...new Set(ports)].sort())
  })

  it('gets from this folder only what it copies', () => {
    const copied = instructions
      .filter((line) => line.startsWith('COPY ') && !line.includes('--from='))
      .flatMap((line) => line.split(' ').slice(1, -1))
    const sent = read('.dockerignore')
      .split('\n')
      .filter((line) => line.startsWith('!'))
      .map((line) => line.slice(1))
    expect(sent.sort()).toEqual([...new Set(copied)].sort())
    expect(read('.dockerignore').split('\n')).toContain('*')
  })
})
