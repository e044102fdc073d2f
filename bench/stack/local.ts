import { InfluxTransport } from '../../internal/store/influx/transport.ts'
import { storeCount } from '../load/store-count.ts'
import { askRedis, askServer } from './ask.ts'
import { brokerOf, brokerVariables } from './broker-settings.ts'
import { Children } from './children.ts'
import { builtProgram, findPrograms } from './find-programs.ts'
import { DATABASE, LOCAL_STORES } from './local-stores.ts'
import { choosePort, freePort } from './ports.ts'
import { type PipelineKind, SERVER_NODE, type Stack, type StackOptions } from './stack.ts'

/** A server gives up by itself after 25 s, and logs what it could not write. */
const SERVER_GRACE_MS = 30_000
/** A profiler around a server reads its data when the server has ended: 13 s for 6 s of ticks on a busy machine. */
const PROFILER_GRACE_MS = 60_000
/** Redis and the store may be killed: their data is thrown away. */
const OTHERS_GRACE_MS = 5_000

const SERVER_ARGS: Readonly<Record<PipelineKind, () => readonly string[]>> = {
  ours: () => [builtProgram('server')],
  baseline: () => [builtProgram('bench'), 'server', '--pipeline', 'baseline'],
  bare: () => [builtProgram('bench'), 'server', '--pipeline', 'bare'],
}

/**
 * Starts a stack of processes on this machine.
 *
 * @throws Error: a program is missing, a port is taken, or a part did not start (with its last log lines)
 */
export async function openLocal(options: StackOptions, signal: AbortSignal): Promise<Stack> {
  const store = LOCAL_STORES[options.store]
  const [redisProgram = '', storeProgram = ''] = findPrograms(['redis-server', store.program], options.env.PATH ?? '')
  const serverCommand = [process.execPath, ...SERVER_ARGS[options.pipeline]()]
  const { ports = {}, onProgress = () => {} } = options
  const redisPort = await choosePort(ports.redis, 'REDIS_PORT')
  const storePort = await choosePort(ports.store, 'INFLUX_PORT')
  const isAlone = options.serverCount === 1
  const adminPort = isAlone ? await choosePort(ports.admin, 'SERVER_ADMIN_PORT') : 0

  const redisUrl = `redis://127.0.0.1:${redisPort}`
  const storeUrl = `http://127.0.0.1:${storePort}`

  const children = await Children.open(options)
  try {
    onProgress(`starting redis-server and ${store.program}`)
    const redis = await children.start({
      name: 'redis',
      command: [redisProgram, '--bind', '127.0.0.1', '--port', `${redisPort}`, '--save', '', '--appendonly', 'no'],
      graceMs: OTHERS_GRACE_MS,
    })
    const place = { folder: children.folderOf(store.name), port: storePort }
    const database = await children.start({
      name: store.name,
      command: store.command(storeProgram, place),
      variables: await store.variables(place),
      graceMs: OTHERS_GRACE_MS,
    })
    const versions = {
      redis: await redis.untilUp((limit) => askRedis(redisPort, limit), signal),
      [store.name]: await database.untilUp((limit) => store.ask(storeUrl, limit), signal),
    }
    await store.prepare(storeUrl, signal)
    const counting = new InfluxTransport({ url: storeUrl })
    children.onClose('counting', () => counting.close())

    onProgress(isAlone ? 'starting the server' : `starting ${options.serverCount} servers`)
    const broker = brokerOf(options.broker)
    const servers = Array.from({ length: options.serverCount }, async (_, at) => {
      const name = isAlone ? 'server' : `server-${at + 1}`
      const port = isAlone ? adminPort : await freePort()
      const server = await children.start({
        name,
        command: options.serverCommand?.(serverCommand) ?? serverCommand,
        variables: {
          REDIS_URL: redisUrl,
          INFLUX_URL: storeUrl,
          INFLUX_BUCKET: DATABASE,
          SENTINEL_ADMIN_PORT: `${port}`,
          SENTINEL_DATA_PATH: children.folderOf(name),
          SENTINEL_BROKER_CONSUMER: name,
          ...brokerVariables(broker),
          ...options.serverEnv,
        },
        graceMs: options.serverCommand === undefined ? SERVER_GRACE_MS : PROFILER_GRACE_MS,
      })
      const admin = `http://127.0.0.1:${port}`
      return { admin, node: await server.untilUp((limit) => askServer(admin, limit), signal) }
    })
    const started = await Promise.all(servers)
    return {
      kind: 'local',
      redisUrl,
      storeUrl,
      broker,
      servers: started.map(({ admin }) => admin),
      countStored: storeCount(counting, DATABASE),
      versions: { ...versions, [SERVER_NODE]: started[0]!.node },
      notes: ['Redis: without snapshots and without its append-only file', store.note],
      broken: children.broken,
      close: () => children.close(),
    }
  } catch (error) {
    await children.close()
    throw error
  }
}
