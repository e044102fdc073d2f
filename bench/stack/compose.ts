import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { packageFolder } from '../../internal/observe/package-folder.ts'
import { InfluxTransport } from '../../internal/store/influx/transport.ts'
import { storeCount } from '../load/store-count.ts'
import { askInflux, askRedis, askServer } from './ask.ts'
import { brokerOf, brokerVariables } from './broker-settings.ts'
import { Children } from './children.ts'
import { docker } from './docker.ts'
import { DATABASE } from './local-stores.ts'
import { choosePort } from './ports.ts'
import { type PipelineKind, SERVER_NODE, type Stack, type StackOptions } from './stack.ts'

const PROJECT = 'sentinelstream-bench'
const FILES = ['docker-compose.yml', 'deploy/docker/benchmark.yml']
/** In the order of their start. */
const SERVICES = ['redis', 'influxdb', 'server'] as const
/** For a database that exists for minutes, on 127.0.0.1 only. */
const TOKEN = 'token-of-the-benchmark'
/** A server gives up by itself after 25 s, and logs what it could not write. */
const STOP_SECONDS = 30

/** The image runs `sentinel`; these are its subcommands. */
const SERVER_COMMANDS: Readonly<Record<PipelineKind, string>> = {
  ours: 'server',
  baseline: 'bench server --pipeline baseline',
  bare: 'bench server --pipeline bare',
}

/** Why containers cannot run this stack; '' if they can. */
export function whyNotCompose({ store, serverCount, serverEnv, serverCommand }: StackOptions): string {
  if (store !== 'influx') return 'docker-compose.yml has no VictoriaMetrics'
  if (serverCount > 1) return 'docker-compose.yml has one server'
  if (serverCommand !== undefined || Object.keys(serverEnv).length > 0) return 'the server needs settings of its own'
  const missing = FILES.find((file) => !existsSync(join(packageFolder(), file)))
  return missing === undefined ? '' : `there is no ${missing}, which only a checkout has`
}

/**
 * Starts a stack of containers, from the project's docker-compose.yml and the changes that a benchmark needs.
 *
 * @param compose the first words of Docker Compose
 * @throws Error with the last log lines of the part that did not start
 */
export async function openCompose(
  options: StackOptions,
  compose: readonly string[],
  signal: AbortSignal,
): Promise<Stack> {
  const { env, ports = {}, onProgress = () => {} } = options
  if ((await containers(env)) !== '') {
    throw new Error(`another benchmark runs in containers; to remove it: ${compose.join(' ')} -p ${PROJECT} down -v`)
  }
  const redisPort = await choosePort(ports.redis, 'REDIS_PORT')
  const storePort = await choosePort(ports.store, 'INFLUX_PORT')
  const adminPort = await choosePort(ports.admin, 'SERVER_ADMIN_PORT')
  const broker = brokerOf(options.broker)
  const files = FILES.flatMap((file) => ['-f', join(packageFolder(), file)])
  const project = [...compose, ...files, '-p', PROJECT]
  const variables = {
    ...definedOf(env),
    REDIS_PORT: `${redisPort}`,
    INFLUX_PORT: `${storePort}`,
    SERVER_ADMIN_PORT: `${adminPort}`,
    INFLUX_TOKEN: TOKEN,
    INFLUX_BUCKET: DATABASE,
    BENCH_SERVER_COMMAND: SERVER_COMMANDS[options.pipeline],
    ...brokerVariables(broker),
  }

  const children = await Children.open(options)
  try {
    children.atEnd([...project, 'down', '--volumes', '--remove-orphans', '--timeout', '5'])
    onProgress('starting containers; the first time their images are built')
    const up = [...project, 'up', '--build', '--detach', ...SERVICES]
    await children.run({ name: 'compose', command: up, variables, graceMs: STOP_SECONDS * 1000 }, signal)

    // The process that follows a container's log ends when the container ends.
    const follow = async (service: (typeof SERVICES)[number]) => {
      const id = await containers(env, service)
      return children.start({
        name: service,
        command: ['docker', 'logs', '--follow', id],
        variables,
        askToEnd: () => docker(['stop', '--time', `${STOP_SECONDS}`, id], env, STOP_SECONDS * 2000),
        graceMs: 5_000,
      })
    }
    const redis = await follow('redis')
    const influxdb = await follow('influxdb')
    const server = await follow('server')
    const storeUrl = `http://127.0.0.1:${storePort}`
    const admin = `http://127.0.0.1:${adminPort}`
    const versions = {
      redis: await redis.untilUp((limit) => askRedis(redisPort, limit), signal),
      influxdb: await influxdb.untilUp((limit) => askInflux(storeUrl, limit), signal),
    }
    const serverNode = await server.untilUp((limit) => askServer(admin, limit), signal)
    const counting = new InfluxTransport({ url: storeUrl, token: () => TOKEN })
    children.onClose('counting', () => counting.close())
    return {
      kind: 'compose',
      redisUrl: `redis://127.0.0.1:${redisPort}`,
      storeUrl,
      broker,
      servers: [admin],
      countStored: storeCount(counting, DATABASE),
      versions: { ...versions, [SERVER_NODE]: serverNode },
      notes: ['Redis: without snapshots and without its append-only file', 'InfluxDB: as its image comes'],
      broken: children.broken,
      close: () => children.close(),
    }
  } catch (error) {
    await children.close()
    throw error
  }
}

/** The ids of the running containers of the project, of one service or of all. */
function containers(env: Readonly<NodeJS.ProcessEnv>, service?: string): Promise<string> {
  const label = (name: string, value: string): string[] => ['--filter', `label=com.docker.compose.${name}=${value}`]
  const ofService = service === undefined ? [] : label('service', service)
  return docker(['ps', '--quiet', '--no-trunc', ...label('project', PROJECT), ...ofService], env)
}

function definedOf(env: Readonly<NodeJS.ProcessEnv>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  )
}
