import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, describe, expect, it } from 'vitest'
import { metric } from '../support/api.ts'
import { type Program, run, startProgram } from '../support/programs.ts'
import { freePort, until } from '../support/servers.ts'

const programs: Program[] = []
afterAll(() => {
  for (const program of programs) program.signal('SIGKILL')
})

interface Started {
  readonly program: Program
  readonly url: string
  readonly admin: string
}

async function start(...args: string[]): Promise<Started> {
  const [port, adminPort] = await Promise.all([freePort(), freePort()])
  const program = startProgram('generator', { args: [`--port=${port}`, `--admin-port=${adminPort}`, ...args] })
  programs.push(program)
  await program.logged('started')
  return { program, url: `http://127.0.0.1:${port}`, admin: `http://127.0.0.1:${adminPort}` }
}

const textOf = async (url: string): Promise<string> => (await fetch(url)).text()
const linesOf = (text: string): string[] => text.trimEnd().split(/\r?\n/)

describe.concurrent('the program generator', () => {
  it('serves 50 switches at 127.0.0.1:9001 unless told otherwise', async () => {
    const { stdout } = await run('sentinel', { args: ['validate', 'generator'] })
    expect(stdout).toContain(['generator:', '  host: 127.0.0.1  # default', '  port: 9001  # default', ''].join('\n'))
    expect(stdout).toMatch(/\n {2}profile: switch {2}# default\n {2}switches: 50 {2}# default\n/)
    const { url, program } = await start()
    const lines = linesOf(await textOf(`${url}/counters`))
    expect(lines[0]).toBe('timestamp,switch_id,bandwidth_mbps,latency_ms,packet_errors')
    expect(lines.slice(1).map((line) => line.split(',')[1])).toEqual(Array.from({ length: 50 }, (_, i) => `sw${i + 1}`))
    expect(Math.abs(Number(lines[1]!.split(',')[0]) - Date.now() / 1000)).toBeLessThan(60)
    expect(await textOf(`${url}/health`)).toBe('OK')
    expect(await program.stop()).toBe(0)
    expect(program.log().at(-1)).toMatchObject({ msg: 'summary', snapshots: 1, answers: 2, faults: 0 })
  })

  it('gives the same values for the same seed, and says the seed of a start without one', async () => {
    const [first, second, other] = await Promise.all([
      start('--profile=fabric', '--seed=42', '--switches=30'),
      start('--profile=fabric', '--seed=42', '--switches=30'),
      start('--profile=fabric', '--switches=30'),
    ])
    const [one, two, three] = await Promise.all([first, second, other].map(({ url }) => textOf(`${url}/counters`)))
    expect(one).toBe(two)
    expect(one).not.toBe(three)
    expect(one).toMatch(/^switch_id,Bandwidth_Rx_Gbps,Latency_Avg_uSec,Error_CRC_Count,Port_Status\r\nSW-00,.*\r\n$/s)
    const { seed } = await other.program.logged('generator answers')
    const again = await start('--profile=fabric', `--seed=${seed}`, '--switches=30')
    expect(await textOf(`${again.url}/counters`)).toBe(three)
  })

  it('has 100,000 ports where it is told to, and their shards are all of them', async () => {
    const { url, admin } = await start('--profile=ufm', '--switches=3125', '--interval-ms=1h')
    const whole = await fetch(`${url}/counters`, { headers: { 'accept-encoding': 'identity' } })
    const text = await whole.text()
    expect(whole.headers.get('content-length')).toBe(`${text.length}`)
    const lines = linesOf(text)
    expect(lines).toHaveLength(100_001)
    const shards = await Promise.all(
      [0, 1, 2].map((i) => textOf(`${url}/counters?num_shards=3&shard=${i}&sharding_field=port_guid`)),
    )
    const rows = shards.flatMap((shard) => linesOf(shard).slice(1))
    expect(new Set(rows)).toEqual(new Set(lines.slice(1)))
    expect(rows).toHaveLength(100_000)
    expect(await metric(admin, 'sentinel_generator_rows')).toBe(100_000)
    expect(await metric(admin, 'sentinel_generator_snapshot_bytes')).toBe(text.length)
  })

  it('makes a new snapshot each interval, and knows who has the one of now', async () => {
    const { url, admin } = await start('--interval-ms=1s', '--switches=5')
    const first = await fetch(`${url}/counters`)
    const etag = first.headers.get('etag')!
    await until('there is another', async () => {
      const { status } = await fetch(`${url}/counters`, { headers: { 'if-none-match': etag } })
      return status === 200
    })
    expect(await metric(admin, 'sentinel_generator_snapshots_total')).toBeGreaterThan(1)
  })

  it('takes mode and repeat from its flags, and a request can ask for another mode', async () => {
    const { url, admin, program } = await start('--mode=empty', '--repeat=not-modified', '--interval-ms=1h')
    expect(await textOf(`${url}/counters`)).toBe('')
    const statuses = [1, 2].map(async () => (await fetch(`${url}/counters?mode=NONE`)).status)
    expect((await Promise.all(statuses)).sort()).toEqual([200, 304])
    expect(await metric(admin, 'sentinel_generator_faults_total', 'mode="EMPTY"')).toBe(1)
    expect(await metric(admin, 'sentinel_generator_answers_total', 'status="304"')).toBe(1)
    expect(program.log().filter(({ level }) => level === 'warn')).toEqual([
      expect.objectContaining({ mode: 'EMPTY', msg: 'each answer has this fault, unless a request asks for another' }),
    ])
  })

  it('stops well with slow answers under way, which it gives at once', async () => {
    const { url, admin, program } = await start('--switches=5')
    const slow = textOf(`${url}/counters?mode=SLOW`)
    const never = fetch(`${url}/counters?mode=TIMEOUT`).catch(() => 'left')
    const huge = fetch(`${url}/counters?mode=HUGE`)
    await until('all three are there', async () => (await metric(admin, 'sentinel_generator_faults_total')) === 3)
    expect(await program.stop()).toBe(0)
    expect(linesOf(await slow)).toHaveLength(6)
    expect(await never).toBe('left')
    await (await huge).body?.cancel()
    expect(program.log().filter(({ level }) => level !== 'info')).toEqual([])
    expect(program.log().at(-1)?.msg).toBe('summary')
  })

  it('pushes each snapshot to an intake, is not ready while that takes none, and the doctor says so', async () => {
    let isOpen = false
    const bodies: string[] = []
    const intake = createServer(async (request, response) => {
      let text = ''
      for await (const chunk of request) text += chunk
      if (isOpen && request.method === 'POST') bodies.push(text)
      response.writeHead(isOpen ? (request.method === 'POST' ? 202 : 405) : 503).end()
    }).listen(0, '127.0.0.1')
    await once(intake, 'listening')
    const push = `http://127.0.0.1:${(intake.address() as AddressInfo).port}/telemetry/counters`
    const { url, admin, program } = await start(`--push=${push}`, '--interval-ms=1s', '--switches=5')
    const doctor = async (): Promise<string> => {
      const args = ['doctor', 'generator', `--generator-push=${push}`, `--admin-port=${new URL(admin).port}`]
      return (await run('sentinel', { args })).stdout
    }
    const reasons = async (): Promise<string[]> =>
      ((await (await fetch(`${admin}/ready`)).json()) as { reasons: string[] }).reasons
    await until('it says why it is not ready', async () => (await reasons()).join().includes('answers 503'))
    expect(await doctor()).toMatch(/^FAIL intake: .*answers 503\nFAIL generator: .*not ready: the intake at /)
    isOpen = true
    await until('the intake has two', () => bodies.length >= 2)
    await until('it is ready', async () => (await reasons()).length === 0)
    expect(await doctor()).toMatch(/^ok {3}intake: something answers at .*\nok {3}generator: .*ready\n$/)
    expect(new Set(bodies).size).toBe(bodies.length)
    expect(linesOf(bodies[0]!)[0]).toBe(linesOf(await textOf(`${url}/counters`))[0])
    expect(await program.stop()).toBe(0)
    intake.closeAllConnections()
    intake.close()
  })

  it('ends with 1 and words where its port is taken', async () => {
    const { url } = await start()
    const { code, stderr } = await run('generator', { args: [`--port=${new URL(url).port}`, '--admin-port=0'] })
    expect(code).toBe(1)
    expect(stderr).toMatch(/taken by another program: stop it, or set --generator-port or SENTINEL_GENERATOR_PORT/)
  })
})
