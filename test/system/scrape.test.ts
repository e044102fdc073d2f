import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { metric } from '../support/api.ts'
import { influxQuery } from '../support/influx.ts'
import { type Program, run, startProgram } from '../support/programs.ts'
import { type ScrapedServer, serveMetrics } from '../support/scraped-server.ts'
import { freePort, startInflux, startRedis, type TestServer, until } from '../support/servers.ts'

const DATABASE = 'telemetry'
/** A target that is asked once: its next time is an hour away. */
const ONCE = '--scrape-interval-ms=1h'

type Point = Readonly<Record<string, unknown>>

const NO_FIELDS = ['time', 'host', 'uuid', 'gpu', 'model', 'mig']

function cellsOf(points: readonly Point[]): number {
  const isCell = ([name, value]: readonly [string, unknown]): boolean => !NO_FIELDS.includes(name) && value !== null
  return points.reduce((sum, point) => sum + Object.entries(point).filter(isCell).length, 0)
}

describe('what is scraped', () => {
  let redis: TestServer
  let influx: TestServer
  const programs: Program[] = []
  const servers: ScrapedServer[] = []

  beforeAll(async () => {
    ;[redis, influx] = await Promise.all([startRedis(), startInflux()])
    await start('server', [], 'server consumes')
  })
  afterAll(async () => {
    await Promise.all(programs.map((program) => program.stop()))
    await Promise.all([redis?.stop(), influx?.stop(), ...servers.map((server) => server.close())])
  })

  async function start(
    name: string,
    args: readonly string[],
    atWork: string,
  ): Promise<{ admin: string; program: Program }> {
    const port = await freePort()
    const env = { REDIS_URL: redis.url, INFLUX_URL: influx.url }
    const program = startProgram(name, { args: [`--admin-port=${port}`, '--log-level=info', ...args], env })
    programs.push(program)
    await program.logged(atWork)
    return { admin: `http://127.0.0.1:${port}`, program }
  }

  async function generator(...args: readonly string[]): Promise<string> {
    const port = await freePort()
    await start('generator', [`--port=${port}`, '--interval-ms=1h', '--seed=7', ...args], 'started')
    return `http://127.0.0.1:${port}/metrics`
  }

  async function serve(text: string): Promise<ScrapedServer> {
    const server = await serveMetrics(text)
    servers.push(server)
    return server
  }

  const agent = (targets: readonly string[], ...args: readonly string[]) =>
    start('agent', ['--agent-interval-ms=1h', `--scrape-targets=${targets.join(',')}`, ...args], 'targets are scraped')

  async function stored(query: string, count: number): Promise<Point[]> {
    let points: Point[] = []
    await until(`${count} points are stored: ${query}`, async () => {
      const rows = await influxQuery(influx.url, DATABASE, query)
      points = rows.map(({ measurement, ...point }) => point)
      return points.length >= count
    })
    return points
  }

  it.each([8, 1000])(
    '%d GPUs end in the same fields and values, whatever the generation of the exporter',
    async (gpus) => {
      const urls = await Promise.all(
        ['dcgm', 'dcgm-4.9'].map((profile) => generator(`--profile=${profile}`, `--gpus=${gpus}`)),
      )
      const texts = await Promise.all(urls.map(async (url) => (await fetch(url)).text()))
      const model = `size-${gpus}`
      const bodies = texts.map((text) => text.replaceAll('NVIDIA H200', model))
      const served = await Promise.all(bodies.map(serve))
      const { admin } = await agent([`old=${served[0]!.url}`, `new=${served[1]!.url}`], ONCE)
      await until('both are scraped', async () => (await metric(admin, 'sentinel_scrape_duration_seconds_count')) === 2)
      const values = await metric(admin, 'sentinel_source_rows_total')
      let points: Point[] = []
      // A reader may see a point of which InfluxDB has not taken all fields yet.
      await until('each value is in the store once', async () => {
        points = await stored(`SELECT * FROM gpu WHERE model = '${model}'`, 2 * gpus)
        return cellsOf(points) >= values
      })
      expect(cellsOf(points)).toBe(values)
      const byGpu = new Map<unknown, Point[]>()
      for (const point of points) byGpu.set(point.uuid, [...(byGpu.get(point.uuid) ?? []), point])
      expect([points.length, byGpu.size, new Set(points.map(({ time }) => time)).size]).toEqual([2 * gpus, gpus, 2])
      for (const [, pair] of byGpu) {
        const [one, other] = pair.map(({ time, ...fields }) => fields)
        expect(other).toEqual(one)
      }
      // By another reader: each number of the older text, in its unit.
      const lines = bodies[0]!.split('\n').flatMap((line) => {
        const [, name, uuid, value] = /^(\w+)\{.*UUID="([^"]+)".*\} (\S+)$/.exec(line) ?? []
        return name === undefined ? [] : [{ name, uuid: uuid!, value: Number(value) }]
      })
      const known: Record<string, readonly [string, number]> = {
        DCGM_FI_DEV_GPU_UTIL: ['utilization_percent', 1],
        DCGM_FI_DEV_FB_USED: ['memory_used_bytes', 2 ** 20],
        DCGM_FI_DEV_SM_CLOCK: ['sm_clock_hertz', 1e6],
        DCGM_FI_DEV_POWER_USAGE: ['power_watts', 1],
        DCGM_FI_PROF_DRAM_ACTIVE: ['dram_ratio', 1],
      }
      const compared = lines.filter(({ name }) => name in known)
      expect(compared).toHaveLength(5 * gpus)
      for (const { name, uuid, value } of compared) {
        const [field, factor] = known[name]!
        expect([uuid, field, byGpu.get(uuid)![0]![field]]).toEqual([uuid, field, value * factor])
      }
      const missing = lines.filter(({ value }) => value > 2 ** 62).length
      expect(missing).toBeGreaterThan(0)
      const leftOut = (reason: string) => metric(admin, 'sentinel_scrape_left_out_lines_total', `"${reason}"`)
      expect([await leftOut('gpu_missing'), await leftOut('gpu_refused')]).toEqual([missing, 0])
      expect(await metric(admin, 'sentinel_scrape_lines_total')).toBe(values + missing)
    },
  )

  it('ports, and all else, are stored as they are given, with their times', async () => {
    const atMs = Date.now() - 60_000
    const ufm = await serve(
      `# TYPE PortXmitDataExtended counter\n# TYPE hist0 counter\nPortXmitDataExtended{source="0x1", node_guid="0xb83fd2000000000a", port_guid="0x2", port_num="2"} 9007199254740993 ${atMs}\nhist0{source="0x1", node_guid="0xb83fd2000000000a", port_guid="0x2", port_num="2"} 5 ${atMs}\n`,
    )
    const node = await serve(
      'node_load1 0.5\nnode_cpu_seconds_total{cpu="0",mode="idle"} 12345.67\nnode_cpu_seconds_total{cpu="0",mode="user"} NaN\nbad line here\nrpc_bucket{le="+Inf"} 7\n',
    )
    const { admin, program } = await agent([`ufm=${ufm.url}`, node.url], '--scrape-interval-ms=200ms')
    expect(await stored('SELECT * FROM fabric_port', 1)).toEqual([
      {
        time: expect.anything(),
        PortXmitDataExtended: expect.anything(),
        hist0: 5,
        node_guid: 'b83fd2000000000a',
        port_num: '2',
      },
    ])
    const text = await (await fetch(`${influx.url}/query?db=${DATABASE}&epoch=ms&q=SELECT+*+FROM+fabric_port`)).text()
    expect(text).toContain(`[${atMs},9007199254740993,5,`)
    const loads = await stored(`SELECT node_load1, host, url FROM prometheus`, 2)
    const own = { host: expect.any(String), url: node.url }
    expect(loads[0]).toEqual({ time: expect.anything(), node_load1: 0.5, ...own })
    expect(await stored('SELECT node_cpu_seconds_total, "mode", cpu FROM prometheus', 1)).toContainEqual({
      ...{ time: expect.anything(), node_cpu_seconds_total: 12_345.67, mode: 'idle', cpu: '0' },
    })
    expect(await stored(`SELECT rpc_bucket FROM prometheus WHERE le = '+Inf'`, 1)).toContainEqual({
      time: expect.anything(),
      rpc_bucket: 7,
    })
    // One text, because the target is asked meanwhile.
    const metrics = await (await fetch(`${admin}/metrics`)).text()
    const of = (name: string) =>
      Number(metrics.match(new RegExp(`^${name}\\{target="${node.url}"\\} (\\d+)$`, 'm'))?.[1])
    const lines = of('sentinel_scrape_lines_total')
    expect(lines).toBeGreaterThanOrEqual(10)
    expect([of('sentinel_scrape_bad_lines_total'), of('sentinel_source_rows_total')]).toEqual([
      lines / 5,
      (3 * lines) / 5,
    ])
    expect(program.log().filter(({ msg }) => String(msg).includes('left out'))).toMatchObject([
      {
        level: 'warn',
        target: node.url,
        msg: '1 of 5 lines of the target are left out: line 4 (value): bad line here',
      },
    ])
  })

  it('a target that is down, slow, cut off, huge or wrong is not taken, and the others are', async () => {
    const url = await generator('--profile=dcgm', '--gpus=50')
    const modes = ['ERROR_500', 'CORRUPT', 'PARTIAL', 'EMPTY', 'TIMEOUT', 'DROP', 'HUGE', 'NONE']
    const page = await serve('<html>\n<body>Log in</body>\n')
    const targets = [
      ...modes.map((mode) => `${mode}=${url}?mode=${mode}`),
      'down=http://127.0.0.1:1/',
      `page=${page.url}`,
    ]
    const { admin, program } = await agent(targets, '--scrape-interval-ms=3s', '--scrape-max-body-bytes=1MiB')
    const problems = {
      ERROR_500: 'status',
      CORRUPT: 'cut_off',
      PARTIAL: 'cut_off',
      TIMEOUT: 'timeout',
      DROP: 'unreachable',
      HUGE: 'too_large',
      down: 'unreachable',
      page: 'not_metrics',
    }
    const said = () =>
      Object.fromEntries(
        program
          .log()
          .flatMap(({ msg, target, problem }) =>
            String(msg).startsWith('target is not taken: ') ? [[target, problem]] : [],
          ),
      )
    await until('each has failed', () => Object.keys(said()).length >= Object.keys(problems).length)
    expect(said()).toEqual(problems)
    await until('the good one is taken', async () => (await metric(admin, 'sentinel_source_rows_total', '"NONE"')) > 0)
    const up = (name: string) => metric(admin, 'sentinel_source_up', `"${name}"`)
    for (const name of Object.keys(problems)) expect([name, await up(name)]).toEqual([name, 0])
    expect([await up('NONE'), await up('EMPTY')]).toEqual([1, 1])
    for (const name of Object.keys(problems))
      expect([name, await metric(admin, 'sentinel_source_rows_total', `"${name}"`)]).toEqual([name, 0])
    expect(program.stderr()).not.toContain('?mode=')
  })

  it('is found by doctor, which asks each target once', async () => {
    const [gpus, page, bad] = await Promise.all([
      generator('--profile=dcgm', '--gpus=4'),
      serve('<html>\n'),
      serve('a 1\nb x\nc NaN\n'),
    ])
    const targets = [`gpus=${gpus}`, `page=${page.url}`, `bad=${bad.url}`, 'away=http://127.0.0.1:1/'].join(',')
    const { code, stdout } = await run('sentinel', {
      args: ['doctor', 'agent', `--scrape-targets=${targets}`],
      env: { REDIS_URL: redis.url },
    })
    const said = stdout.split('\n').filter((line) => line.includes(' scrape: '))
    expect([code, ...said]).toEqual([
      1,
      'ok   scrape: gpus: 96 values in 96 lines, of 4 GPUs',
      "FAIL scrape: page: none of its 1 lines can be read: line 1 (name): <html>: is this the address of its metrics in Prometheus' text?",
      'warn scrape: bad: 1 value in 3 lines; without a value: 1 value, 1 not_a_number; the first bad one: line 2 (value): b x',
      expect.stringMatching(/^FAIL scrape: away: it cannot be asked: .*ECONNREFUSED.*: is it running/),
    ])
  })

  it('an agent that is stopped leaves what no server takes on disk, and says so', async () => {
    const { url } = await serve('a_total 1\n')
    const { program, admin } = await agent([url], '--scrape-interval-ms=100ms')
    await until('it is scraped', async () => (await metric(admin, 'sentinel_source_rows_total')) > 1)
    expect(await program.stop()).toBe(0)
    const summary = program.log().find(({ msg }) => msg === 'summary')
    expect(summary).toMatchObject({ scrape_dropped: 0, scrape_held: 0 })
    expect(summary!.scrape_produced).toBe(summary!.scrape_sent)
  })
})
