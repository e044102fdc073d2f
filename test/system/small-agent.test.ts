import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { metric } from '../support/api.ts'
import { importedIn, listImportsIn } from '../support/imported-modules.ts'
import { startProgram } from '../support/programs.ts'
import { freePort, startRedis, type TestServer, until } from '../support/servers.ts'

/** Each costs memory for as long as the agent runs: see docs/decisions/0014. */
const PACKAGES_OF_AN_IDLE_AGENT = [
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
async function loadedBy(use: (admin: string) => Promise<void>, args: readonly string[] = []): Promise<string[]> {
  const file = join(folder, 'imports')
  const port = await freePort()
  const agent = startProgram('agent', {
    args: [`--redis-url=${redis.url}`, `--admin-port=${port}`, ...args],
    env: listImportsIn(file),
  })
  await until('it measures', () => agent.stderr().includes('agent measures'))
  const admin = `http://127.0.0.1:${port}`
  await until('it is ready', async () => (await fetch(`${admin}/ready`)).ok)
  await use(admin)
  expect(await agent.stop(), agent.stderr()).toBe(0)
  return importedIn(file)
}

const ofPackages = (loaded: readonly string[]): string[] => loaded.filter((name) => !/\.js$/.test(name))

it('an agent that nobody asks has loaded these packages, and no HTTP client, HTTP/2 or profiler', async () => {
  const loaded = await loadedBy(async () => {})
  expect(ofPackages(loaded)).toEqual(PACKAGES_OF_AN_IDLE_AGENT)
  expect(loaded).toEqual(expect.arrayContaining(['internal/source/host/source.js', 'internal/broker/pubsub/broker.js']))
  expect(loaded.filter((name) => /^internal\/(store|ingest|api|live|view|dead-letters)\//.test(name))).toEqual([])
})

it('loads what a scrape or readable log lines need when they are asked for', async () => {
  const scrape = async (admin: string): Promise<void> => {
    await until('a scrape', async () => (await metric(admin, 'sentinel_produced_samples_total')) > 0)
  }
  expect(ofPackages(await loadedBy(scrape))).toContain('prom-client')
  expect(ofPackages(await loadedBy(async () => {}, ['--log-format=text']))).toContain('pino-pretty')
})
