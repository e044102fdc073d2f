import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Browser, Locator, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { Report } from '../../bench/report/report.ts'
import { writeReport } from '../../bench/report/write.ts'
import { exampleProfile, exampleReport, exampleReportWithProfiles } from '../support/example-report.ts'
import { accessibilityViolations } from './accessibility.ts'
import { openPage, SCREENS, startBrowser } from './browser.ts'

// The tests open the report as people do: from the disk, under its own Content-Security-Policy.

let browser: Browser
let folder: string
let url: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'report-page-'))
  url = await write(await exampleReportWithProfiles(join(folder, 'example')), 'example')
  browser = await startBrowser()
})
afterEach(() => Promise.all(browser.contexts().map((context) => context.close())))
afterAll(async () => {
  await browser.close()
  await rm(folder, { recursive: true })
})

/** Writes a report. @returns its address */
async function write(report: Report, name: string): Promise<string> {
  return pathToFileURL((await writeReport(report, join(folder, name))).html).href
}

async function open(address = url, screen = SCREENS[0]!, bypassCSP = false) {
  const { page, complaints } = await openPage(browser, screen, { bypassCSP })
  const requests: string[] = []
  page.on('request', (request) => requests.push(request.url()))
  await page.goto(address)
  return { page, complaints, requests }
}

/** Whether anything is drawn in each canvas. */
function drawnCanvases(page: Page): Promise<boolean[]> {
  return page.evaluate(`[...document.querySelectorAll('canvas')].map((canvas) => canvas
    .getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some((byte) => byte !== 0))`)
}

const bar = (page: Page, name: string): Locator => page.locator('.flame').getByRole('button', { name }).first()
const shareOf = async (within: Locator): Promise<number> => {
  const [own, all] = await Promise.all([within, within.page().locator('.flame')].map((one) => one.boundingBox()))
  return own!.width / all!.width
}

describe.each([...SCREENS, { width: 380, height: 800, theme: 'light' as const }])('$width px, $theme', (screen) => {
  it('draws everything, requests nothing else, and fits the screen', async () => {
    const { page, complaints, requests } = await open(url, screen)
    await page.locator('.u-over').nth(15).waitFor({ state: 'attached' })
    expect(await drawnCanvases(page)).toEqual(Array(16).fill(true))
    expect(requests).toEqual([url])
    expect(complaints).toEqual([])
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(screen.width)
  })
})

it('has no accessibility violation, on all screens', async () => {
  const { page } = await open(url, SCREENS[0]!, true)
  expect(await accessibilityViolations(page)).toEqual([])
})

it('shows the figures of every pass, and their ratios to the first', async () => {
  const { page } = await open()
  expect(await page.locator('#passes .number').allTextContents()).toEqual(['41,000', '158,000', '226,000'])
  expect(await page.locator('#passes .balance').allTextContents()).toEqual([
    'sent = stored, none lost',
    'sent = stored, none lost',
    'sent = stored + 12 reported lost',
  ])
  const row = page.locator('#figures-tables tr', { hasText: 'CPU a sample' })
  expect(await row.locator('td').allTextContents()).toEqual(['23.40', '5.10×0.22', '3.30×0.14'])
  expect(await page.title()).toBe('SentinelStream benchmark, 2026-11-24 14:03 UTC')
  expect(await page.locator('#command').textContent()).toContain('bash scripts/benchmark.sh')
})

it('shows the latencies at the percentile under the pointer, in all charts at once', async () => {
  const { page } = await open()
  const charts = page.locator('#latency-charts .chart')
  expect(await charts.locator('.at').allTextContents()).toEqual(Array(4).fill('at 99 %'))
  const { width } = (await charts.first().locator('.u-over').boundingBox())!
  await charts
    .first()
    .locator('.u-over')
    .hover({ position: { x: width - 1, y: 20 } })
  expect(await charts.locator('.at').allTextContents()).toEqual(Array(4).fill('at 99.999 %'))
  expect(await charts.first().locator('.value').allTextContents()).toEqual([
    expect.stringMatching(/ µs$/),
    expect.stringMatching(/ µs$/),
    expect.stringMatching(/ µs$/),
  ])
})

describe('flame graph', () => {
  it('shows functions as wide as their share, and describes the one under the pointer', async () => {
    const { page } = await open()
    await bar(page, 'decode, internal/codec/packed.ts:31').hover()
    const details = await page.locator('.details').textContent()
    expect(details).toMatch(/^decodeinternal\/codec\/packed\.ts:31[\d.]+ s at work · ([\d.]+) %, own \1 %$/)
    const share = Number(/([\d.]+) %/.exec(details!)![1]) / 100
    expect(await shareOf(bar(page, 'decode'))).toBeCloseTo(share, 2)
  })

  it('zooms in with a click, and out again', async () => {
    const { page } = await open()
    await bar(page, '#message').click()
    expect(await shareOf(bar(page, '#message'))).toBeCloseTo(1, 2)
    expect(await bar(page, 'processTimers').count()).toBe(0)
    expect(await shareOf(bar(page, 'onStreamRead'))).toBeCloseTo(1, 2)
    await page.getByRole('button', { name: 'Whole profile' }).click()
    expect(await bar(page, 'processTimers').count()).toBe(1)
    expect(await shareOf(bar(page, '#message'))).toBeLessThan(0.5)
  })

  it('moves the focus from function to function with the keyboard', async () => {
    const { page } = await open()
    const focused = () => page.evaluate('document.activeElement.textContent')
    await page.locator('.flame button[tabindex="0"]').focus()
    for (const [key, name] of [
      ['ArrowUp', 'all'],
      ['ArrowDown', 'onStreamRead'],
      ['ArrowLeft', 'onStreamRead'],
      ['ArrowRight', 'processTimers'],
      ['ArrowDown', '#seal'],
      ['Enter', '#seal'],
      ['Escape', 'processTimers'],
      ['Escape', 'all'],
      ['Escape', 'all'],
    ]) {
      await page.keyboard.press(key!)
      expect([key, await focused()]).toEqual([key, name])
    }
    expect(await page.locator('.flame button[tabindex="0"]').count()).toBe(1)
  })

  it('marks the functions that a search finds, and shows their share', async () => {
    const { page } = await open()
    await page.getByRole('searchbox').fill('line/encode')
    expect(await page.locator('.flame .found').allTextContents()).toEqual(['writeLine'])
    expect(await page.locator('.found-share').textContent()).toMatch(/^[\d.]+ % in matches$/)
    await page.getByRole('searchbox').fill('no such function')
    expect(await page.locator('.found-share').textContent()).toBe('0.00 % in matches')
    await page.getByRole('searchbox').fill('')
    expect(await page.locator('.found-share').textContent()).toBe('')
    await page.locator('.costliest').getByRole('button', { name: 'decode' }).click()
    expect(await page.locator('.flame .found').allTextContents()).toEqual(['decode'])
  })

  it('exists for each pass and each kind, with a link to its file', async () => {
    const { page } = await open()
    await page.getByRole('button', { name: 'ours, packed' }).click()
    await page.getByRole('button', { name: 'Allocations' }).click()
    expect(await page.locator('.details').textContent()).toMatch(/iB allocated$/)
    expect(await page.getByRole('link', { name: 'heap-2.pb.gz' }).getAttribute('href')).toBe('./heap-2.pb.gz')
    expect(await page.locator('#profiles-body code').textContent()).toBe(
      'go tool pprof -http=: -alloc_space heap-2.pb.gz',
    )
  })
})

it('switches its colours, those of the charts too', async () => {
  const { page } = await open()
  const colours = () => page.evaluate('getComputedStyle(document.body).backgroundColor')
  const chart = () => page.evaluate('document.querySelector("canvas").toDataURL()')
  const before = [await colours(), await chart()] as const
  await page.getByRole('button', { name: 'Switch to dark colours' }).click()
  expect(await colours()).not.toBe(before[0])
  await expect.poll(chart).not.toBe(before[1])
})

it('shows a report without servers, profiles or balance, and runs no code that its data holds', async () => {
  const report = exampleReport()
  const hostile = '</script><img src=x onerror="document.title=1">'
  const [first] = report.passes
  const load = { ...first!.load, servers: undefined, timeline: [], balance: hostile }
  const passes = [{ ...first!, name: hostile, load }]
  const address = await write({ ...report, passes, settings: { [hostile]: hostile } }, 'hostile')
  const { page, complaints, requests } = await open(address)
  await page.getByText('No profile was taken.').waitFor()
  await page.getByText('No server was asked while the load ran.').waitFor()
  expect(await page.locator('#passes .balance[data-level="critical"]').textContent()).toBe(hostile)
  expect(await page.locator('#origin dd').last().textContent()).toBe(hostile)
  expect(await page.title()).toMatch(/^SentinelStream benchmark/)
  expect(complaints).toEqual([])
  expect(requests).toEqual([address])
})

it('shows the passes of each condition apart', async () => {
  const report = exampleReport()
  const passes = report.passes.flatMap((pass) => [{ ...pass, condition: 'at 5 messages/s' }, pass])
  const { page } = await open(await write({ ...report, passes }, 'conditions'), SCREENS[0], true)
  const titles = ['at 5 messages/s', 'as fast as it can']
  for (const id of ['passes', 'figures-tables', 'latency-charts', 'time-charts']) {
    expect(await page.locator(`#${id} .condition`).allTextContents()).toEqual(titles)
  }
  expect(await page.locator('table').count()).toBe(2)
  expect(await page.locator('.chart').count()).toBe(2 * (4 + 3 * 4))
  expect(await accessibilityViolations(page)).toEqual([])
})

it('says that a profile is missing or empty', async () => {
  const report = await exampleReportWithProfiles(join(folder, 'empty'))
  const [first, second, third] = report.passes
  const empty = join(folder, 'empty/idle.pb.gz')
  await writeFile(empty, exampleProfile('cpu', 'nanoseconds', 10_000_000, 0, 0))
  const noHeap = { ...first!, profiles: { cpu: empty, heap: [] } }
  const { page } = await open(await write({ ...report, passes: [noHeap, second!, third!] }, 'empty'))
  await page.getByText('The profile has no samples.').waitFor()
  await page.getByRole('button', { name: 'Allocations' }).click()
  await page.getByText('plain, json has no such profile.').waitFor()
  await page.getByRole('button', { name: 'ours, json' }).click()
  await bar(page, 'all').waitFor()
})
