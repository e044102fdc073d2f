import { readdirSync, readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ApiClient, type HostAnswer, metric } from '../support/api.ts'
import { type Program, startProgram } from '../support/programs.ts'
import { freePort, startInflux, startRedis, type TestServer, until } from '../support/servers.ts'

const HISTORY = '/api/v1/hosts/web-01/metrics?measurement=cpu&field=usage_idle&start=-9d&every=1d&aggregate=max'
/** With the time that one request waited before for a store that hangs (15 s), so many take longer than a test may. */
const REQUESTS = 20

/** As in `ps`: R for one at work, S for one that waits, T for a stopped one. */
function threadStates(pid: number): string[] {
  const folder = `/proc/${pid}/task`
  return readdirSync(folder).map((thread) => /\) (\S)/.exec(readFileSync(`${folder}/${thread}/stat`, 'utf8'))![1]!)
}

describe('an api whose InfluxDB does not answer', () => {
  let redis: TestServer
  let influx: TestServer
  let program: Program
  let api: ApiClient
  let admin: string

  beforeAll(async () => {
    ;[redis, influx] = await Promise.all([startRedis(), startInflux()])
    await fetch(`${influx.url}/query`, {
      method: 'POST',
      body: new URLSearchParams({ q: 'CREATE DATABASE telemetry' }),
    })
    const daysAgo = (days: number): string => `${Date.now() - days * 86_400_000}`
    // The second host has been silent for longer than the list of hosts reaches.
    const body = `cpu,host=web-01 usage_idle=1 ${daysAgo(1)}\ncpu,host=old usage_idle=2 ${daysAgo(8)}\n`
    const written = await fetch(`${influx.url}/write?db=telemetry&precision=ms`, { method: 'POST', body })
    expect(written.status).toBe(204)
    const [port, adminPort] = await Promise.all([freePort(), freePort()])
    admin = `http://127.0.0.1:${adminPort}`
    program = startProgram('api', {
      env: { REDIS_URL: redis.url, INFLUX_URL: influx.url },
      args: [`--api-port=${port}`, `--admin-port=${adminPort}`],
    })
    api = new ApiClient(port)
    await until('the api is ready', async () => (await ready()).status === 200)
  })
  afterAll(async () => {
    await program?.stop()
    await redis?.stop()
    await influx?.stop()
  })

  async function ready(): Promise<{ status: number; reasons: string[] }> {
    const response = await fetch(`${admin}/ready`).catch(() => undefined)
    if (response === undefined) return { status: 0, reasons: [] }
    const { reasons } = (await response.json()) as { reasons: string[] }
    return { status: response.status, reasons }
  }

  async function history(host: string): Promise<unknown> {
    const { status, body } = await api.json<{ detail?: string; series?: unknown[] }>(HISTORY.replace('web-01', host))
    return [status, body.detail ?? body.series?.length]
  }

  async function hosts(): Promise<unknown> {
    const { body } = await api.json<{ partial: boolean; hosts: HostAnswer[] }>('/api/v1/hosts')
    return { partial: body.partial, hosts: body.hosts.map(({ host }) => host) }
  }

  async function expectAnswers(): Promise<void> {
    await until('the store is asked again', async () => (await ready()).status === 200)
    expect(await history('web-01')).toEqual([200, 1])
    expect(await history('old')).toEqual([200, 1])
    expect(await history('nobody')).toEqual([404, 'no sample of a host named "nobody" is kept'])
    await until('the hosts are those of the store', async () => {
      const answer = await hosts()
      return JSON.stringify(answer) === JSON.stringify({ partial: false, hosts: ['web-01'] })
    })
    expect(await metric(admin, 'sentinel_store_queries_ready')).toBe(1)
  }

  async function expectRefusals(outages: number): Promise<void> {
    for (let n = 0; n < REQUESTS; n++) {
      for (const host of ['web-01', 'old', 'nobody']) {
        expect(await history(host)).toEqual([503, 'the store does not answer'])
      }
    }
    for (let n = 0; n < REQUESTS; n++) expect(await hosts()).toEqual({ partial: true, hosts: ['web-01'] })
    const { status, reasons } = await ready()
    expect([status, reasons]).toEqual([503, [expect.stringMatching(/^queries are not answered: /)]])
    expect((await fetch(`${admin}/health`)).status).toBe(200)
    expect(await metric(admin, 'sentinel_store_queries_ready')).toBe(0)
    expect(await metric(admin, 'sentinel_store_query_outages_total')).toBe(outages)
  }

  it('answers when it does', expectAnswers)

  it('says at once that a paused one does not answer', async () => {
    process.kill(influx.pid, 'SIGSTOP')
    // Each thread stops by itself, and one that is at work may answer one more query.
    await until('all threads of influxd are stopped', () => threadStates(influx.pid).every((state) => state === 'T'))
    await expectRefusals(1)
  })

  it('answers again when it goes on', async () => {
    process.kill(influx.pid, 'SIGCONT')
    await expectAnswers()
    await program.logged('the store answers queries again')
  })

  it('says at once that one that has ended does not answer', async () => {
    await influx.halt('SIGKILL')
    await expectRefusals(2)
  })

  it('answers again when it is back, and has said little', async () => {
    await influx.start()
    await expectAnswers()
    const lines = program.log().filter(({ level }) => level === 'warn' || level === 'error')
    expect(lines.length).toBeLessThan(20)
  })
})
