import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ApiClient, type HostAnswer } from '../support/api.ts'
import { Fleet } from '../support/fleet.ts'
import { type Program, startProgram } from '../support/programs.ts'
import { type RedisScene, startRedisScene } from '../support/redis-brokers.ts'
import { freePort, startInflux, type TestServer, until } from '../support/servers.ts'

const HOSTS = 2_000
/** The series of the page's charts, of one host. */
const CHARTS = 'measurement=cpu,mem,system,disk,diskio,net'

interface Page {
  readonly total: number
  readonly next: string | null
  readonly hosts: HostAnswer[]
}

describe('an api of thousands of hosts', () => {
  let redis: RedisScene
  let influx: TestServer
  let program: Program
  let api: ApiClient
  let fleet: Fleet
  let beat: NodeJS.Timeout

  beforeAll(async () => {
    ;[redis, influx] = await Promise.all([startRedisScene(), startInflux()])
    const port = await freePort()
    program = startProgram('api', {
      env: { REDIS_URL: redis.server.url, INFLUX_URL: influx.url },
      args: [`--api-port=${port}`, `--admin-port=${await freePort()}`],
    })
    api = new ApiClient(port)
    fleet = new Fleet((await redis.open('pubsub')).live)
    for (let n = 1; n <= HOSTS; n++) fleet.add(`node-${n}`, n)
    beat = setInterval(() => fleet.beat(), 1_000)
    await until(
      'all hosts are there',
      async () => (await page('limit=1').catch(() => undefined))?.total === HOSTS,
      60_000,
    )
  })
  afterAll(async () => {
    clearInterval(beat)
    await program?.stop()
    await redis?.closeBrokers()
    await redis?.stop()
    await influx?.stop()
  })

  const page = async (query: string): Promise<Page> => (await api.json<Page>(`/api/v1/hosts?${query}`)).body

  it('gives all of them page by page, each once, while others come', async () => {
    const names: string[] = []
    let next: string | null = ''
    for (let number = 0; next !== null; number++) {
      const answer: Page = await page(`brief=true&limit=300&after=${next}`)
      expect(answer.hosts.length).toBeLessThanOrEqual(300)
      names.push(...answer.hosts.map(({ host }) => host))
      next = answer.next
      fleet.add(`another-${number}`, number)
    }
    expect(names).toEqual(Array.from({ length: HOSTS }, (_, n) => `node-${n + 1}`))
    await until('the new hosts are there', async () => (await page('contains=another')).total > 5)
    const { hosts } = await page('host=node-1999')
    expect(hosts).toMatchObject([{ host: 'node-1999', stale: false, cpuPercent: 99, memPercent: 61.5 }])
  })

  it('streams a page the series of its host alone', async () => {
    const samples = await api.live((seen) => seen.length >= 21, `?host=node-1999&${CHARTS}`)
    expect(samples.length).toBeLessThan(40)
    expect(new Set(samples.map(({ tags }) => tags.host))).toEqual(new Set(['node-1999']))
  })

  it('sums up what the agents say', async () => {
    const { body } = await api.json<{ programs: number }>('/api/v1/pipeline')
    expect(body.programs).toBeGreaterThanOrEqual(HOSTS)
    expect(JSON.stringify(body).length).toBeLessThan(1_000)
  })
})
