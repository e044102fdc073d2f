import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import type { Report } from '../../bench/report/report.ts'
import { docker } from '../support/compose.ts'
import { readProfile } from '../support/pprof.ts'
import { type Program, startProgram } from '../support/programs.ts'
import { until } from '../support/servers.ts'

const PROJECT = 'sentinelstream-bench'
const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const RUN_MS = 600_000

let folder: string

// A build inside a network of its own may not reach the package registry that this machine reaches; what is built here it finds built.
beforeAll(async () => {
  await docker('build', '--network', 'host', '--file', join(ROOT, 'deploy/docker/Dockerfile'), ROOT)
}, 900_000)
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sentinel-benchmark-test-'))
})
afterEach(async () => {
  rmSync(folder, { recursive: true })
  expect(await left()).toEqual([])
})

/** What of the project the engine still has, but for the image, which the next run is glad of. */
async function left(): Promise<string[]> {
  const filter = ['--filter', `label=com.docker.compose.project=${PROJECT}`, '--quiet']
  const lists = [
    docker('ps', '--all', ...filter),
    docker('volume', 'ls', ...filter),
    docker('network', 'ls', ...filter),
  ]
  return (await Promise.all(lists)).filter((ids) => ids !== '')
}

function bench(env: Record<string, string>): Program {
  return startProgram('bench', { args: ['run'], env: { STACK: 'compose', OUT: folder, PROFILE_SECONDS: '1', ...env } })
}

it(
  'the benchmark measures in containers, and leaves none',
  async () => {
    const program = bench({ DURATION: '3s', WARMUP: '1s', RATE: '1000' })
    expect(await program.ended, program.stderr()).toBe(0)
    const { passes, stack } = JSON.parse(readFileSync(join(folder, 'report.json'), 'utf8')) as Report
    expect(stack.kind).toBe('compose')
    expect(passes[0]?.load).toMatchObject({ samples: 3000, stored: 3000, balance: '' })
    expect(readdirSync(join(folder, 'logs')).sort()).toEqual(['compose.log', 'influxdb.log', 'redis.log', 'server.log'])
    expect(readFileSync(join(folder, 'logs/server.log'), 'utf8')).toContain('"msg":"summary"')
    const cpu = readdirSync(folder).find((name) => name.startsWith('cpu-'))
    expect(readProfile(readFileSync(join(folder, cpu!))).sampleTypes).toEqual(['samples/count', 'cpu/nanoseconds'])
  },
  RUN_MS,
)

it.each(['SIGINT', 'SIGKILL'] as const)(
  'the benchmark in containers that is ended by %s leaves none',
  async (signal) => {
    const program = bench({ DURATION: '10m', WARMUP: '0', RATE: '1000' })
    await until('it measures', () => program.stderr().includes('measure 1'), RUN_MS)
    program.signal(signal)
    expect(await program.ended).toBe(signal === 'SIGINT' ? 130 : 'SIGKILL')
    await until('all is gone', async () => (await left()).length === 0, 60_000)
  },
  RUN_MS,
)

it(
  'the benchmark does not disturb another one',
  async () => {
    const first = bench({ DURATION: '10m', WARMUP: '0', RATE: '1000' })
    await until('it measures', () => first.stderr().includes('measure 1'), RUN_MS)
    const second = bench({})
    expect(await second.ended).toBe(1)
    expect(second.stderr()).toMatch(
      /another benchmark runs in containers; to remove it: .* -p sentinelstream-bench down -v/,
    )
    expect(await left()).not.toEqual([])
    first.signal('SIGTERM')
    expect(await first.ended).toBe(143)
  },
  RUN_MS,
)
