import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { openPage, SCREENS, startBrowser } from './browser.ts'
import { FakeApi, type FakeApiOptions, type FakeHost } from './fake-api.ts'

// What the cards say, and what stands on the canvas of their charts.

const MINUTE_MS = 60_000
const LAZY: FakeHost = { name: 'lazy', cpu: 7 }

let browser: Browser
let api: FakeApi

beforeAll(async () => {
  browser = await startBrowser()
})
afterEach(async () => {
  await Promise.all(browser.contexts().map((context) => context.close()))
  await api.stop()
})
afterAll(() => browser.close())

/** Remembers in the page what is written on a canvas, and how far each text reaches to the right, in canvas pixels. */
const RECORD_TEXTS = `
  globalThis.written = []
  const fillText = CanvasRenderingContext2D.prototype.fillText
  CanvasRenderingContext2D.prototype.fillText = function (text, x, y, ...rest) {
    const card = this.canvas.closest('.card')?.id
    const width = this.measureText(text).width * (this.textAlign === 'center' ? 0.5 : 0)
    const start = this.textAlign === 'right' ? x - this.measureText(text).width : x
    globalThis.written.push({ card, text, start, end: x + width, room: this.canvas.width })
    return fillText.call(this, text, x, y, ...rest)
  }`

interface Written {
  readonly card: string
  readonly text: string
  readonly start: number
  readonly end: number
  readonly room: number
}

async function open(options: FakeApiOptions, query = '', screen = SCREENS[0]!): Promise<Page> {
  api = await FakeApi.start(options)
  const { page } = await openPage(browser, screen)
  await page.addInitScript(RECORD_TEXTS)
  await page.goto(`${api.url}/${query}`)
  await waitForText(page, '#card-network .number', /\d/)
  return page
}

const waitForText = (page: Page, selector: string, text: string | RegExp) =>
  page.locator(selector).filter({ hasText: text, visible: true }).first().waitFor()
const written = (page: Page, card: string): Promise<Written[]> =>
  page.evaluate(`written.filter(({ card }) => card === 'card-${card}')`)

describe.each([SCREENS[0]!, SCREENS[2]!])('the axes at $width px', (screen) => {
  it('say that rates are rates, and fit into their room', async () => {
    const page = await open({ hosts: [LAZY] }, '', screen)
    for (const card of ['network', 'diskio']) {
      const marks = async () => (await written(page, card)).filter(({ text }) => /^[\d.]+ [kM]?B/.test(text))
      await expect.poll(async () => (await marks()).length).toBeGreaterThan(3)
      for (const { text, start } of await marks()) {
        expect(text).toMatch(/B\/s$/)
        expect(start).toBeGreaterThanOrEqual(0)
      }
    }
  })

  it.each([1, 3, 58])('cut no time at the edge, %d s after a new minute', async (second) => {
    const aheadMs = MINUTE_MS - (Date.now() % MINUTE_MS) + second * 1000
    const page = await open({ hosts: [LAZY], aheadMs }, '', screen)
    const times = async () => (await written(page, 'cpu')).filter(({ text }) => /^\d\d:\d\d/.test(text))
    await expect.poll(async () => (await times()).length).toBeGreaterThan(8)
    for (const { text, end, room } of await times()) expect([text, end]).toEqual([text, Math.min(end, room)])
  })
})

it.each(['lazy', 'busy'])('the unit stands beside its number: %s', async (host) => {
  const page = await open({ hosts: [LAZY, { name: 'busy', cpu: 60 }] }, `?host=${host}`)
  const gap = await page.evaluate(`(() => {
    const [number, unit] = ['number', 'unit'].map((part) => document.querySelector('#card-cpu .' + part).getBoundingClientRect())
    return unit.left - number.right
  })()`)
  expect(gap).toBe(4)
})

it('the list of hosts has the number of the card', async () => {
  const page = await open({ hosts: [LAZY, { name: 'busy', cpu: 60 }] }, '?host=busy')
  const both = () =>
    page.evaluate<[string, string]>(`[
      document.querySelector('#hosts [aria-current] .host-value').textContent,
      document.querySelector('#card-cpu .number').textContent + ' %']`)
  const seen = new Set<string>()
  while (seen.size < 5) {
    const [inList, onCard] = await both()
    expect(inList).toBe(onCard)
    seen.add(inList)
    await page.waitForTimeout(50)
  }
})

it('a long range without history says "no data" only until live values come', async () => {
  api = await FakeApi.start({ hosts: [LAZY], historyMs: 0 })
  const { page } = await openPage(browser)
  await page.goto(`${api.url}/?range=7d`)
  const state = () =>
    page.evaluate<[boolean, boolean]>(`[
      /\\d/.test(document.querySelector('#card-load .number')?.textContent ?? ''),
      document.querySelector('#card-load .nothing')?.checkVisibility() ?? false]`)
  for (let withNumber = 0; withNumber < 10; ) {
    const [hasNumber, saysNothing] = await state()
    expect(hasNumber && saysNothing).toBe(false)
    if (hasNumber) withNumber++
    await page.waitForTimeout(100)
  }
})

describe('disks', () => {
  const withDisks = (disks: number): FakeApiOptions => ({ hosts: [{ name: 'store-1', cpu: 7, disks }] })

  it('are named by the fullest, however many there are', async () => {
    // The last of them is the fullest: 20 % and one more for each.
    const page = await open(withDisks(60))
    await waitForText(page, '#card-disk .headline', /7\d\.\d% used on \/srv\/data-58/)
    await waitForText(page, '#card-disk h3', 'Disk, the 16 highest of 60')
    await waitForText(page, '#card-disk .legend li:first-child', '/srv/data-58')
    expect(await page.locator('#card-disk .legend li').count()).toBe(16)
  })

  it('leave the page when they are unmounted, and come when they are mounted', async () => {
    const page = await open(withDisks(2))
    const legend = async () => (await page.locator('#card-disk .legend .label').allTextContents()).join(' ')
    await expect.poll(legend).toBe('/ /var/lib/data')
    api.options = withDisks(3)
    await expect.poll(legend).toBe('/ /srv/data-1 /var/lib/data')
    api.options = withDisks(2)
    await expect.poll(legend).toBe('/ /var/lib/data')
    await waitForText(page, '#card-disk .headline', /used on \/$/)
  })

  it('of which one answer cannot have the history are shown in longer buckets', async () => {
    const page = await open({ ...withDisks(300), maxPoints: 100_000 })
    await waitForText(page, '#card-disk h3', 'Disk, the 16 highest of 300')
    await page.locator('#card-disk .plot[aria-label*="between"]').waitFor()
    expect(await page.locator('#card-disk .nothing').isVisible()).toBe(false)
  })
})

it('what the parts of the CPU are is said', async () => {
  const page = await open({ hosts: [LAZY] })
  const labels = page.locator('#card-cpu .legend .label')
  expect(await labels.allTextContents()).toEqual(['user', 'system', 'iowait', 'steal', 'irq', 'nice'])
  expect(await labels.nth(3).getAttribute('title')).toBe('taken by the hypervisor')
})
