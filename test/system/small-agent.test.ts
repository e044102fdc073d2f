import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { metric } from '../support/api.ts'
import { importedIn, listImportsIn } from '../support/imported-modules.ts'
import { startProgram } from '../support/programs.ts'
import { freePort, startRedis, type TestServer, until } from '../support/servers.ts'

/** Where Node.js can replace a process (from 22.15 on, not on Windows), an agent runs from one file. */
const RUNS_FROM_ONE_FILE = 'execve' in process
/** Each costs memory for as long as the agent runs: see docs/decisions/0014. */
const PACKAGES_OF_AN_AGENT_FROM_MODULES = [
  ...['commander'],
  ...['ioredis', '@ioredis/commands', 'cluster-key-slot', 'debug', 'denque', 'has-flag', 'ms', 'redis-errors'],
  ...['redis-parser', 'standard-as-callback', 'supports-color'],
  ...['pino', '@pinojs/redact', 'atomic-sleep', 'on-exit-leak-free', 'pino-std-serializers', 'quick-format-unescaped'],
  ...['safe-stable-stringify', 'sonic-boom', 'thread-stream'],
].sort()

let redis: TestServer
let folder: string
beforeEach(async () => {
  redis = await startRedis()
  folder = await mkdtemp(join(tmpdir(), 'sentinel-agent-'))
})
afterEach(async () => {
  await redis.stop()
  await rm(folder, { recursive: true })
})

/** What an agent has loaded that has measured. @param use is done with it before it stops */
async function loadedBy(
  use: (admin: string) => Promise<void>,
  args: readonly string[] = [],
  program = 'agent',
): Promise<string[]> {
  const file = join(folder, 'imports')
  const port = await freePort()
  const agent = startProgram(program, {
    args: [...args, `--redis-url=${redis.url}`, `--admin-port=${port}`],
    env: listImportsIn(file),
  })
  await until('it measures', () => agent.stderr().includes('agent measures'))
  const admin = `http://127.0.0.1:${port}`
  await until('it is ready', async () => (await fetch(`${admin}/ready`)).ok)
  await use(admin)
  expect(await agent.stop(), agent.stderr()).toBe(0)
  return importedIn(file)
}

/** Without our own modules, and Node.js' own. */
const ofPackages = (loaded: readonly string[]): string[] =>
  loaded.filter((name) => !/\.c?js$/.test(name) && !['tls', 'crypto'].includes(name))

async function loadsOneFile(): Promise<void> {
  const startsItself = ['cmd/agent/main.js', 'cmd/program/small-heap.js', 'cmd/program/small-start.js']
  expect(await loadedBy(async () => {})).toEqual(['agent.cjs', ...startsItself, 'internal/lifecycle/replace.js'])
  const loaded = await loadedBy(async () => {}, ['agent'], 'sentinel')
  expect(loaded).toContain('agent.cjs')
  expect(loaded.filter((name) => /^(tls|crypto|cmd\/sentinel\/command)/.test(name))).toEqual([])
}

async function loadsFewPackages(): Promise<void> {
  const loaded = await loadedBy(async () => {})
  expect(ofPackages(loaded)).toEqual(PACKAGES_OF_AN_AGENT_FROM_MODULES)
  expect(loaded).toEqual(expect.arrayContaining(['internal/source/host/source.js', 'internal/broker/pubsub/broker.js']))
  expect(loaded.filter((name) => /^internal\/(store|ingest|api|live|view|dead-letters)\//.test(name))).toEqual([])
}

if (RUNS_FROM_ONE_FILE) it('an agent that nobody asks has loaded one file, and neither TLS nor crypto', loadsOneFile)
else it('an agent that nobody asks has loaded these packages', loadsFewPackages)

it('loads what a scrape or readable log lines need when they are asked for', async () => {
  const scrape = async (admin: string): Promise<void> => {
    await until('a scrape', async () => (await metric(admin, 'sentinel_produced_samples_total')) > 0)
  }
  expect(ofPackages(await loadedBy(scrape))).toContain('prom-client')
  expect(ofPackages(await loadedBy(async () => {}, ['--log-format=text']))).toContain('pino-pretty')
})
