import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { type ScrapedServer, serveMetrics } from '../../test/support/scraped-server.ts'
import { until } from '../../test/support/servers.ts'
import { MemoryBroker } from '../../internal/broker/memory/broker.ts'
import { loadSettings } from '../../internal/config/load.ts'
import type { Settings } from '../../internal/config/settings.ts'
import { instanceOf } from '../parts/data-folder.ts'
import type { Context } from '../program/context.ts'
import { quietContext } from '../program/quiet-context.ts'
import { ROLES } from '../program/roles.ts'
import { openScraping } from './scraping.ts'

let folder: string
let servers: ScrapedServer[]
let context: Context
let said: string[]
let broker: MemoryBroker
/** What a reload tells the part that scrapes. */
let apply: (settings: Settings) => void
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sentinel-scraping-'))
  servers = await Promise.all(['a 1\n', 'b 1\nbad{ 1\n', 'c 1\n'].map(serveMetrics))
  said = []
})
afterEach(async () => {
  await context.releaser.release(5000)
  await Promise.all(servers.map((server) => server.close()))
  await rm(folder, { recursive: true })
})

async function open(flags: Record<string, string>): Promise<void> {
  const all = { 'data.path': folder, 'scrape.intervalMs': '100ms', ...flags }
  const quiet = quietContext(loadSettings(ROLES.up, all, {}))
  const logger = pino({ level: 'info' }, { write: (line: string) => void said.push(line) })
  const onReload: Context['onReload'] = (_, listener = () => {}) => {
    apply = listener
  }
  context = { ...quiet, logger, onReload }
  const letters = async () => ({ keep: () => {}, written: async () => {} })
  broker = new MemoryBroker({ logger })
  await openScraping(context, broker, letters, 20)
}

const names = (): string[] => context.targets.map(([label]) => label)
const withTargets = (targets: string): Settings =>
  loadSettings(ROLES.up, { 'scrape.intervalMs': '100ms', 'scrape.targets': targets }, {}).settings
const metric = async (name: string): Promise<number> => {
  const text = await context.metrics.registry.metrics()
  return text
    .split('\n')
    .filter((line) => line.startsWith(name))
    .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)
}

it('follows the targets of a reload: those that stay go on, and sums over all targets do not fall', async () => {
  const [a, b, c] = servers.map(({ url }) => url)
  await open({ 'scrape.targets': `a=${a},b=${b}` })
  await until('both are taken', () => context.targets.every(([, { target }]) => target.up))
  const [[, stays]] = context.targets as [Context['targets'][number]]
  await until('b was asked again', async () => (await metric('sentinel_scrape_left_out_lines_total')) >= 2)
  const before = await metric('sentinel_scrape_left_out_lines_total')
  apply(withTargets(`a=${a},c=${c}`))
  await until('c is taken', () => context.targets.some(([label, { target }]) => label === 'c' && target.up))
  expect(names()).toEqual(['a', 'c'])
  expect(context.targets[0]![1]).toBe(stays)
  expect(await metric('sentinel_scrape_left_out_lines_total')).toBeGreaterThanOrEqual(before)
  apply(withTargets(''))
  await until('nothing is asked', () => names().length === 0)
  apply(withTargets(`b=${b}`))
  await until('b is taken again', () => context.targets.some(([, { target }]) => target.up))
})

it('begins with the first target that a reload names', async () => {
  await open({})
  apply(withTargets(`a=${servers[0]!.url}`))
  await until('it is taken', () => context.targets.some(([, { target }]) => target.up))
})

it('reads the file of targets again when it has changed, and keeps what it has where that is wrong', async () => {
  const path = join(folder, 'targets.yaml')
  const [a, b] = servers.map(({ url }) => url)
  const write = async (text: string): Promise<void> => {
    await writeFile(`${path}.next`, text)
    await rename(`${path}.next`, path)
  }
  await write(`a=${a}`)
  await open({ 'scrape.targetsFile': path })
  expect(names()).toEqual(['a'])
  await write(`- url: ${a}\n  name: a\n- url: ${b}\n  name: b\n`)
  await until('the second is asked', () => names().join() === 'a,b')
  for (const [wrong, words] of [
    ['- url: 7', 'target 1: url'],
    [`- url: ${a}\n  timeoutMs: 5s`, 'must not be above scrape.intervalMs'],
    ['\n', 'it is empty'],
  ] as const) {
    await write(wrong)
    await until(`it says ${words}`, () => said.some((line) => line.includes('is not taken') && line.includes(words)))
  }
  await rm(path)
  await new Promise((resolve) => setTimeout(resolve, 100))
  expect(names()).toEqual(['a', 'b'])
  await write(`b=${b}`)
  await until('the first is given up', () => names().join() === 'b')
})

it('shows the ports of a target for as long as one of its name is asked', async () => {
  const port = await serveMetrics('hist0{node_guid="1",port_num="1"} 7\n')
  servers.push(port)
  const target = (more = ''): string => `- url: ${port.url}\n  name: ufm\n${more}`
  const shown = async (fabric: string) => {
    const head = await broker.snapshots.newest(fabric, `agent/${instanceOf(context.settings, 'agent')}/scrape/ufm`)
    return head && [head.intervalMs, head.targets.map(({ target, rows }) => `${target}: ${rows}`).join()]
  }
  await open({ 'scrape.targets': target() })
  await until('it is shown', async () => (await shown('default'))?.[1] === 'ufm: 1')
  apply(withTargets(target('  intervalMs: 200ms\n')))
  await until('it has another interval', async () => (await shown('default'))?.join() === '200,ufm: 1')
  apply(withTargets(target('  fabric: east\n')))
  await until('it is of another fabric', async () => (await shown('east'))?.[1] === 'ufm: 1')
  await until('it has left the one before', async () => (await shown('default'))?.[1] === '')
  apply(withTargets(`a=${servers[0]!.url}`))
  await until('it is gone', async () => (await shown('east'))?.[1] === '')
  expect(said.filter((line) => JSON.parse(line).level >= 40)).toEqual([])
})
