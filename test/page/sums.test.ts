import { mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Program, startProgram } from '../support/programs.ts'
import { freePort } from '../support/servers.ts'
import { openPage, startBrowser } from './browser.ts'

// The page of `sentinel up` on a machine whose card carries 10 MB/s, which a bridge, a bond and a container count again.

const BYTES_A_SECOND = 10e6
const INTERFACES: Record<string, readonly string[]> = {
  lo: [],
  eth0: ['device', 'master'],
  bond0: ['bonding/slaves', 'lower_eth0'],
  br0: ['bridge/id', 'lower_bond0'],
  docker0: ['bridge/id', 'lower_veth1'],
  veth1: ['brport/state', 'master'],
  wg0: ['type'],
}
const DEVICES: Record<string, readonly string[]> = {
  sda: ['size', 'sda1/partition'],
  sda1: [],
  bcache0: ['slaves/sda'],
  mpatha: ['slaves/sda'],
  'dm-0': ['slaves/bcache0'],
}

let browser: Browser
let folder: string
let product: Program
let url: string
let writing: NodeJS.Timeout

function put(path: string, text = ''): void {
  const file = join(folder, path)
  mkdirSync(dirname(file), { recursive: true })
  // In one step, because the agent reads it meanwhile.
  writeFileSync(`${file}.new`, text)
  renameSync(`${file}.new`, file)
}

/** Each counter as it is now. */
function putCounters(): void {
  const bytes = Math.round((BYTES_A_SECOND * (Date.now() % 1e9)) / 1000)
  const interfaces = Object.keys(INTERFACES).map((name) => `${name}: ${bytes} 1 0 0 0 0 0 0 ${bytes} 1 0 0 0 0 0 0`)
  const devices = Object.keys(DEVICES).map(
    (name, n) => ` 8 ${n} ${name} 1 0 ${Math.round(bytes / 512)} 1 1 0 8 1 0 1 1`,
  )
  put('proc/1/net/dev', `one\ntwo\n${interfaces.join('\n')}\n`)
  put('proc/diskstats', `${devices.join('\n')}\n`)
}

beforeAll(async () => {
  browser = await startBrowser()
  folder = await mkdtemp(join(tmpdir(), 'sentinel-sums-'))
  for (const [name, entries] of Object.entries(INTERFACES)) {
    for (const entry of entries) put(`sys/class/net/${name}/${entry}`)
    put(`sys/class/net/${name}/flags`, name === 'lo' ? '0x9' : '0x1003')
  }
  for (const [name, entries] of Object.entries(DEVICES)) for (const entry of entries) put(`sys/block/${name}/${entry}`)
  putCounters()
  writing = setInterval(putCounters, 20)
  const [api, admin] = [await freePort(), await freePort()]
  product = startProgram('sentinel', {
    args: [
      ...['up', `--api-port=${api}`, `--admin-port=${admin}`, '--agent-host=bridged', '--agent-include=net,diskio'],
      ...[`--agent-proc-root=${join(folder, 'proc')}`, `--agent-sys-root=${join(folder, 'sys')}`],
      `--duckdb-path=${join(folder, 'sentinel.duckdb')}`,
    ],
  })
  await product.logged('started')
  url = `http://127.0.0.1:${api}/`
})
afterAll(async () => {
  clearInterval(writing)
  await browser.close()
  await product.stop()
  await rm(folder, { recursive: true, force: true })
})

/** Bytes a second of the figures in a headline. */
async function rates(page: Page, card: string): Promise<number[]> {
  const figures = await page.locator(`#card-${card} .figure`).allTextContents()
  return figures.map((text) => {
    const [, number, prefix] = /([\d.]+)(\w?)B\/s/.exec(text) ?? []
    return Number(number) * ({ k: 1e3, M: 1e6, G: 1e9 }[prefix ?? ''] ?? 1)
  })
}

it.each([
  ['network', 2],
  ['diskio', 1],
])('what is carried once is counted once: %s', async (card, directions) => {
  const { page } = await openPage(browser)
  await page.goto(url)
  const shown = async () => (await rates(page, card)).slice(0, directions)
  // A tick of a busy test machine reads the counters late, and the next in time. Counted twice or more, they are 20 and more.
  const isOnce = (rate: number) => rate > BYTES_A_SECOND / 2 && rate < 1.8 * BYTES_A_SECOND
  await expect.poll(shown).toSatisfy((figures: number[]) => figures.length === directions && figures.every(isOnce))
  const seen = new Set<string>()
  await expect.poll(async () => seen.add(String(await shown())).size).toBeGreaterThan(3)
  const mean = [...seen]
    .flatMap((text) => text.split(',').map(Number))
    .reduce((sum, rate, _, all) => sum + rate / all.length, 0)
  expect(mean).toSatisfy(isOnce)
})
