import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Program, startProgram } from '../support/programs.ts'
import { freePort } from '../support/servers.ts'
import { openPage, SCREENS, startBrowser } from './browser.ts'

// The page of `sentinel up --fabric --gpu`, with real values from the generator and from a file to the canvas.

const run = promisify(execFile)
const PLENTY = { maxBuffer: 2 ** 26 }

let browser: Browser
let folder: string
let product: Program

beforeAll(async () => {
  browser = await startBrowser()
  folder = await mkdtemp(join(tmpdir(), 'sentinel-page-fabric-'))
  const gpus = join(folder, 'gpus.csv')
  await writeFile(
    gpus,
    (await run(process.execPath, ['scripts/gpu-sample.mjs', '--gpus=16', '--rows=20000'], PLENTY)).stdout,
  )
  const [api, admin, generator] = [await freePort(), await freePort(), await freePort()]
  product = startProgram('sentinel', {
    args: [
      ...[
        'up',
        '--fabric',
        `--gpu=${gpus}`,
        `--generator-port=${generator}`,
        '--generator-interval-ms=1s',
        '--fabric-interval-ms=1s',
      ],
      ...[`--api-port=${api}`, `--admin-port=${admin}`, `--duckdb-path=${join(folder, 'sentinel.duckdb')}`],
    ],
  })
  await product.logged('fabric cycle')
})
afterAll(async () => {
  await browser.close()
  await product.stop()
  await rm(folder, { recursive: true, force: true })
})

const waitForText = (page: Page, selector: string, text: string | RegExp) =>
  page.locator(selector).filter({ hasText: text, visible: true }).waitFor()

describe('the made-up fabric of sentinel up --fabric', () => {
  it('is on the page that its start names, is called made up, moves, and has a history', async () => {
    const { page, complaints } = await openPage(browser, SCREENS[0]!)
    await page.goto(/made up: (\S+)/.exec(product.stdout())![1]!)
    await waitForText(page, '#fabric-facts', /^fabric made-up · 50 switches · every /)
    await waitForText(page, '#live', /^live/)
    await waitForText(page, '#fabric-worst li:nth-child(15)', /^sw\d+\s*\d/)
    const before = await page.locator('#fabric-worst').textContent()
    await expect.poll(() => page.locator('#fabric-worst').textContent(), { timeout: 30_000 }).not.toBe(before)
    await page.locator('#fabric-worst button').first().click()
    await waitForText(page, '#fabric-history .number', /\d/)
    await page.locator('#to-hosts').click()
    await waitForText(page, '#card-cpu .number', /^[\d.]+$/)
    expect(complaints).toEqual([])
  })
})

describe('the GPUs of sentinel up --gpu', () => {
  it('are on the page, and one of them has its charts beside a port of the fabric', async () => {
    const { page, complaints } = await openPage(browser, SCREENS[0]!)
    await page.goto(new URL('?view=gpus', /made up: (\S+)/.exec(product.stdout())![1]!).href)
    await waitForText(page, '#gpus-facts', '16 GPUs · 2 hosts')
    await waitForText(page, '#gpus-worst li:nth-child(15)', /^mtv5-dgx1-hgpu-00[12] · GPU \d[\d.]+ %$/)
    await page.locator('#gpus-worst button').first().click()
    await waitForText(page, '#gpus-facts', /NVIDIA.*seen [\d.]+ s ago/)
    for (const chart of ['utilization', 'memory', 'temperature', 'power', 'clocks'])
      await waitForText(page, `#card-gpu-${chart} .number`, /\d/)
    await waitForText(page, '#gpu-host-note', /^No CPU and memory of mtv5-dgx1-hgpu-00[12] in this time/)
    await waitForText(page, '#gpu-port-why', 'No port says that it belongs to')
    await page.locator('#gpu-port').fill('sw5')
    await page.keyboard.press('Enter')
    await waitForText(page, '#card-port-traffic h3', 'Port sw5')
    await waitForText(page, '#card-port-traffic .number', /\d/)
    expect(complaints).toEqual([])
  })
})
