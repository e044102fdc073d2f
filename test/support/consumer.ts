import { influxCount } from './influx.ts'
import { type Program, startProgram } from './programs.ts'
import { freePort, startInflux, startRedis, type TestServer } from './servers.ts'

/** A built `server` that consumes, between a real Redis and a real InfluxDB. */
export interface Consumer {
  readonly redis: TestServer
  readonly influx: TestServer
  readonly server: Program
  /** Its admin port, which serves its metrics. */
  readonly admin: string
  /** The number of points of `system_stats` in InfluxDB. */
  points(): Promise<number>
  stop(): Promise<void>
}

export async function startConsumer(settings: Readonly<Record<string, string>> = {}): Promise<Consumer> {
  const [redis, influx, port] = await Promise.all([startRedis(), startInflux(), freePort()])
  const env = { REDIS_URL: redis.url, INFLUX_URL: influx.url, SENTINEL_ADMIN_PORT: `${port}`, ...settings }
  const server = startProgram('server', { env })
  await server.logged('server consumes')
  return {
    redis,
    influx,
    server,
    admin: `http://127.0.0.1:${port}`,
    points: () => influxCount(influx.url, 'telemetry', 'system_stats', 'cpu'),
    async stop() {
      await server.stop()
      await Promise.all([redis.stop(), influx.stop()])
    },
  }
}
