import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Program, startProgram } from '../support/programs.ts'
import { freePort } from '../support/servers.ts'
import { openPage, SCREENS, startBrowser } from './browser.ts'

// The page of `sentinel up --fabric`, with real values from the generator to the canvas.

let browser: Browser
let folder: string
let product: Program

beforeAll(async () => {
  browser = await startBrowser()
  folder = await mkdtemp(join(tmpdir(), 'sentinel-page-fabric-'))
  const [api, admin, generator] = [await freePort(), await freePort(), await freePort()]
  product = startProgram('sentinel', {
    args: [
      ...['up', '--fabric', `--generator-port=${generator}`, '--generator-interval-ms=1s', '--fabric-interval-ms=1s'],
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
