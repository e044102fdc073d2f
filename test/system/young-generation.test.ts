import { afterEach, beforeEach, expect, it } from 'vitest'
import { startProgram } from '../support/programs.ts'
import { startRedis, type TestServer, until } from '../support/servers.ts'

/** Keeps 60 MB of new objects in many turns, then says how large the young generation has become. */
const GROW = `
  import { getHeapSpaceStatistics } from 'node:v8'
  process.once('SIGUSR2', async () => {
    const kept = []
    for (let turn = 0; turn < 60; turn++) {
      for (let i = 0; i < 20_000; i++) kept.push({ i, more: { i } })
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
    const young = getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space')
    console.error('young ' + young.space_size / 2 ** 20 + ' MiB of ' + kept.length)
  })`

let redis: TestServer
beforeEach(async () => {
  redis = await startRedis()
})
afterEach(() => redis.stop())

async function youngMiBOf(
  options: string,
  [program, started] = ['server', 'server consumes'],
  env: Readonly<Record<string, string>> = {},
): Promise<number> {
  const running = startProgram(program!, {
    env: {
      ...env,
      REDIS_URL: redis.url,
      INFLUX_URL: 'http://127.0.0.1:1',
      SENTINEL_ADMIN_PORT: '0',
      NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(GROW)} ${options}`,
    },
  })
  try {
    await until('it consumes', () => running.stderr().includes(started!))
    process.kill(running.pid, 'SIGUSR2')
    let mib: string | undefined
    await until('it has grown', () => {
      mib = /young (\d+) MiB/.exec(running.stderr())?.[1]
      return mib !== undefined
    })
    return Number(mib)
  } finally {
    await running.stop()
  }
}

it('the young generation of a server stays at 16 MiB, whatever lives on', async () => {
  expect(await youngMiBOf('')).toBeLessThanOrEqual(16)
})

it('that of an agent stays as small as it starts, also where it asks a fabric', async () => {
  const env = { SENTINEL_FABRIC_TARGETS: '/nowhere/ports.csv' }
  expect(await youngMiBOf('', ['agent', 'fabric is asked'], env)).toBeLessThanOrEqual(2)
})

it('is as large as the user of Node.js says', async () => {
  expect(await youngMiBOf('--max-semi-space-size=32')).toBeGreaterThan(16)
})
