import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type Program, startProgram } from '../support/programs.ts'
import { freePort, until } from '../support/servers.ts'
import { accessibilityViolations } from './accessibility.ts'
import { openPage, SCREENS, type Screen, startBrowser } from './browser.ts'

// The page of `sentinel up` with the metrics of this machine.

const HOST = 'page-test'
/** What a browser writes to its console when a server is away. The page cannot prevent it. */
const SERVER_AWAY = /net::ERR_|Failed to load resource/

let browser: Browser
let folder: string
let ports: { api: number; admin: number }
let product: Program

const url = (query = '') => `http://127.0.0.1:${ports.api}/${query}`

async function startProduct(): Promise<void> {
  product = startProgram('sentinel', {
    args: [
      ...['up', `--api-port=${ports.api}`, `--admin-port=${ports.admin}`, `--agent-host=${HOST}`],
      `--duckdb-path=${join(folder, 'sentinel.duckdb')}`,
    ],
  })
  await until('the API names this machine', async () => {
    const answer = await fetch(url('api/v1/hosts')).then((response) => response.text(), String)
    return answer.includes(HOST)
  })
}

beforeAll(async () => {
  browser = await startBrowser()
  folder = await mkdtemp(join(tmpdir(), 'sentinel-page-'))
  ports = { api: await freePort(), admin: await freePort() }
  await startProduct()
})
afterEach(async () => {
  await Promise.all(browser.contexts().map((context) => context.close()))
})
afterAll(async () => {
  await browser.close()
  await product.stop()
  await rm(folder, { recursive: true, force: true })
})

const textOf = async (page: Page, selector: string) => (await page.locator(selector).textContent())?.trim()
const queryOf = (page: Page) => new URL(page.url()).searchParams
const waitForText = (page: Page, selector: string, text: string | RegExp) =>
  page.locator(selector).filter({ hasText: text, visible: true }).waitFor()

/** Waits until the text of an element changes. */
async function waitForChange(page: Page, selector: string): Promise<void> {
  const before = await textOf(page, selector)
  await expect.poll(() => textOf(page, selector), { timeout: 30_000 }).not.toBe(before)
}

/** Drags over a fifth of the first chart, near its end: this machine has been measured for a few seconds only. */
async function drag(page: Page): Promise<void> {
  const box = await page.locator('#card-cpu .u-over').boundingBox()
  if (box === null) throw new Error('the chart is not visible')
  const y = box.y + box.height / 2
  await page.mouse.move(box.x + box.width * 0.77, y)
  await page.mouse.down()
  await page.mouse.move(box.x + box.width * 0.97, y, { steps: 5 })
  await page.mouse.up()
}

describe.each(SCREENS)('at $width px, $theme', (screen) => {
  it('shows changing values of this machine, without a complaint of the browser', async () => {
    const { page, complaints } = await openPage(browser, screen)
    await page.goto(url())
    await waitForText(page, 'h1', HOST)
    await waitForText(page, '#live', /^live[\d.]+ s behind$/)
    for (const card of ['cpu', 'memory', 'load', 'disk']) await waitForText(page, `#card-${card} .number`, /^[\d.]+$/)
    await waitForText(page, '#card-network .headline', /↓[\d.]+.*↑[\d.]+/)
    await waitForText(page, '#host-facts', /^up\s.*core.* · agent\s\d/)
    await waitForChange(page, '#card-cpu .legend')
    await waitForText(page, '#rate', /^[1-9][\d,]*$/)
    await waitForText(page, '#pipeline-note', 'memory → duckdb')
    await waitForText(page, '#durable-p99-us', /^[\d.]+$/)
    expect(await textOf(page, '#outcome-lost')).toBe('0')
    expect(await page.evaluate('document.documentElement.scrollWidth - innerWidth')).toBe(0)
    expect(complaints).toEqual([])
  })
})

it('has no accessibility violation, on all screens', async () => {
  const { page } = await openPage(browser)
  await page.goto(url())
  await waitForText(page, '#card-cpu .number', /^[\d.]+$/)
  expect(await accessibilityViolations(page)).toEqual([])
})

describe('zoom', () => {
  const open = async (query = '', screen: Screen = SCREENS[0]!) => {
    const { page } = await openPage(browser, screen)
    await page.goto(url(query))
    await waitForText(page, '#card-cpu .number', /^[\d.]+$/)
    return page
  }

  it('sets the URL when the reader drags; a link restores it, and a double click leads back', async () => {
    const page = await open()
    await drag(page)
    await waitForText(page, '#zoom', / – /)
    const [from, to] = ['from', 'to'].map((name) => Date.parse(queryOf(page).get(name) ?? ''))
    expect(to! - from!).toBeGreaterThan(55_000)
    expect(to! - from!).toBeLessThan(65_000)
    expect(await page.locator('#ranges [aria-pressed=true]').count()).toBe(0)

    const other = await open(new URL(page.url()).search)
    expect(await textOf(other, '#zoom-span')).toBe(await textOf(page, '#zoom-span'))
    expect(await textOf(other, '#card-memory .headline')).toBe(await textOf(page, '#card-memory .headline'))

    await page.locator('#card-load .u-over').dblclick()
    await expect.poll(() => queryOf(page).get('range')).toBe('5m')
    await other.locator('#zoom-back').click()
    await expect.poll(() => queryOf(other).get('range')).toBe('5m')
  })

  it('and the choice of a range are steps that the back button goes back', async () => {
    const page = await open()
    await page.keyboard.press('2')
    await drag(page)
    await waitForText(page, '#zoom', / – /)
    await page.goBack()
    await expect.poll(() => textOf(page, '#ranges [aria-pressed=true]')).toBe('1h')
    await page.goBack()
    await expect.poll(() => textOf(page, '#ranges [aria-pressed=true]')).toBe('5m')
    await page.goForward()
    await expect.poll(() => textOf(page, '#ranges [aria-pressed=true]')).toBe('1h')
  })

  it('shows the values at one crosshair in all charts', async () => {
    const page = await open()
    await page.locator('#card-cpu .plot[aria-label*=between]').waitFor()
    const box = await page.locator('#card-cpu .u-over').boundingBox()
    await page.mouse.move(box!.x + box!.width - 12, box!.y + 40)
    await waitForText(page, '#card-cpu .at', /^\d\d:\d\d:\d\d$/)
    // A chart that has just got the newest second may be ahead of the others for a moment.
    const times = async (): Promise<Set<string>> => new Set(await page.locator('#cards .card .at').allTextContents())
    await expect.poll(async () => (await times()).size).toBe(1)
  })
})

describe('a killed API', () => {
  it('shows a banner, and the page continues with the earlier history after its restart', async () => {
    const { page, complaints } = await openPage(browser)
    await page.goto(url())
    await waitForText(page, '#live', /behind/)
    expect(complaints).toEqual([])

    product.signal('SIGKILL')
    await product.ended
    await waitForText(page, '#banner', 'The API does not answer since')
    await waitForText(page, '#live', 'API away')

    await startProduct()
    await page.locator('#banner').waitFor({ state: 'hidden' })
    await waitForText(page, '#live', /^live[\d.]+ s behind$/)
    await waitForChange(page, '#card-cpu .legend')
    expect(complaints.filter((text) => !SERVER_AWAY.test(text))).toEqual([])
  })
})
