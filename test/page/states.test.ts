import type { Page } from 'playwright-core'
import { describe, expect, it } from 'vitest'
import { accessibilityViolations } from './accessibility.ts'
import { SCREENS } from './browser.ts'
import type { FakeApiOptions } from './fake-api.ts'
import { queryOf, Scene, waitForText } from './scene.ts'

// The states of the page that a healthy product does not show. product.test.ts tests the others with the product itself.

const FEW = [
  { name: 'web-01', cpu: 12 },
  { name: 'web-02', cpu: 48 },
  { name: 'db-01', cpu: 95 },
  { name: 'old-7', cpu: 5, silentMs: 3 * 3_600_000 },
]
const PHONE = SCREENS[2]!

const scene = new Scene()

const open = (options: FakeApiOptions, query = '', screen = SCREENS[0]!): Promise<Page> =>
  scene.open(options, query, screen)

const textOf = async (page: Page, selector: string) => (await page.locator(selector).textContent())?.trim()

describe('notices', () => {
  it('wait for the first sample, and go when it comes', async () => {
    const page = await open({ hosts: [] })
    await waitForText(page, '#notice h2', 'Waiting for the first sample')
    scene.api.options = { hosts: FEW }
    await waitForText(page, '#card-cpu .number', /\d/)
    expect(await page.locator('#notice').isVisible()).toBe(false)
    expect(queryOf(page).get('host')).toBe('web-01')
  })

  it('go when the first samples come, without a poll', async () => {
    const page = await scene.blank({ hosts: [] })
    await page.clock.install()
    await page.goto(scene.api.url)
    await waitForText(page, '#notice h2', 'Waiting for the first sample')
    // The clock of the page stands still from now on, so the timer of the next poll never fires.
    await page.clock.pauseAt(Date.now() + 1000)
    scene.api.options = { hosts: FEW }
    await waitForText(page, 'h1', 'web-01')
  })

  it('name an unknown host, and lead to a known one', async () => {
    const page = await open({ hosts: FEW }, '?host=nobody&range=1h')
    await waitForText(page, '#notice h2', 'No host named nobody')
    await page.getByRole('button', { name: 'Show web-01' }).click()
    await waitForText(page, 'h1', 'web-01')
    await waitForText(page, '#card-cpu .number', /\d/)
  })

  it('say that a range is empty, and lead to the last samples of a stale host', async () => {
    const page = await open({ hosts: FEW }, '?host=old-7')
    await waitForText(page, '#notice h2', 'Nothing recorded here')
    expect(await textOf(page, '#host-seen')).toBe('stale, seen 3 h ago')
    await page.getByRole('button', { name: 'Show its last hour' }).click()
    await waitForText(page, '#card-cpu .number', /\d/)
    expect(queryOf(page).get('to')).toMatch(/Z$/)
  })

  it('say that the API answers with errors, until it no longer does', async () => {
    const page = await open({ hosts: FEW })
    await waitForText(page, '#live', /behind/)
    scene.api.options = { hosts: FEW, status: 502 }
    await waitForText(page, '#banner', 'answers with an error (502)')
    await waitForText(page, '#live', 'API away')
    scene.api.options = { hosts: FEW }
    await page.locator('#banner').waitFor({ state: 'hidden' })
    await waitForText(page, '#live', /behind/)
  })

  it('do not wait for a slow API: the page is there at once', async () => {
    const page = await open({ hosts: FEW, delayMs: 1500 })
    await waitForText(page, '.brand', 'SentinelStream')
    await waitForText(page, '#card-cpu .number', /\d/)
  })
})

describe('the list of hosts', () => {
  const fifty = Array.from({ length: 50 }, (_, index) => ({ name: `node-${index + 1}`, cpu: index }))

  it('marks busy and stale hosts', async () => {
    const page = await open({ hosts: FEW })
    await waitForText(page, '#hosts', /old-7/)
    expect(await textOf(page, '#hosts li:nth-child(3) .host-value')).toMatch(/ !$/)
    expect(await textOf(page, '#hosts li:nth-child(4)')).toMatch(/stale 3 h/)
  })

  it('filters, and says that nothing matches', async () => {
    const page = await open({ hosts: fifty })
    await waitForText(page, '#hosts', /node-50/)
    await page.keyboard.press('/')
    await page.keyboard.type('e-4')
    expect(await page.locator('#hosts li:visible').count()).toBe(11)
    await page.keyboard.type('x')
    expect(await textOf(page, '#hosts-none')).toBe('No host matches “e-4x”.')
    await page.keyboard.press('Backspace')
    await page.keyboard.press('Enter')
    await waitForText(page, 'h1', /^node-4$/)
    await page.keyboard.press('j')
    await waitForText(page, 'h1', /^node-40$/)
    await page.keyboard.press('k')
    await waitForText(page, 'h1', /^node-4$/)
    await page.goBack()
    await waitForText(page, 'h1', /^node-40$/)
  })

  it('folds into a picker on a phone', async () => {
    const page = await open({ hosts: FEW }, '', PHONE)
    await waitForText(page, '#picker', /web-01/)
    expect(await page.locator('#sidebar').isVisible()).toBe(false)
    await page.locator('#picker').click()
    await page.getByRole('link', { name: /web-02/ }).click()
    await waitForText(page, 'h1', 'web-02')
    expect(await page.locator('#sidebar').isVisible()).toBe(false)
  })
})

/** The own metrics of a server whose store is away, after some losses. */
const AWAY = {
  ...{ storeAwayMs: 125_000, held: 12_310, onDisk: 12_300 },
  ...{ rejected: 2, deadLetters: 1, lost: 3, lostAtMost: 9 },
}

describe('the strip at the foot', () => {
  it('says that the store is away, how many samples wait, and that it is back', async () => {
    const page = await open({ hosts: FEW, pipeline: AWAY })
    await waitForText(page, '#pipeline-note', 'store away for 2 min, 12,300 samples on disk')
    expect(await page.locator('#pipeline-note').getAttribute('data-level')).toBe('warning')
    expect(await textOf(page, '#announcement')).toBe('The store takes no samples.')
    expect(await textOf(page, '#outcome-lost')).toBe('≤ 12')
    const titles = await page.locator('.outcomes dd').evaluateAll((all) => all.map((one) => one.getAttribute('title')))
    expect(titles).toEqual([
      '3 never arrived, and at most 9 more, unless an earlier server had them',
      'Good samples that were given up',
      '2 samples can never be stored; dead letters: 1',
      '10 in memory, 12,300 on disk',
    ])
    scene.api.options = { hosts: FEW, pipeline: { ...AWAY, storeAwayMs: null, onDisk: 500, held: 500 } }
    await waitForText(page, '#pipeline-note', 'catching up, 500 samples on disk')
    scene.api.options = { hosts: FEW }
    await waitForText(page, '#pipeline-note', 'memory → duckdb')
    expect(await page.locator('#pipeline-note').getAttribute('data-level')).toBe('ok')
    expect(await textOf(page, '#announcement')).toBe('The store takes samples again.')
  })

  it('says that a server is behind, and that it keeps up again', async () => {
    const page = await open({ hosts: FEW, pipeline: { serversBehind: 1, held: 40_000 } })
    await waitForText(page, '#pipeline-note', 'server behind, 40,000 samples held')
    expect(await page.locator('#pipeline-note').getAttribute('data-level')).toBe('warning')
    expect(await textOf(page, '#announcement')).toBe('A server is behind: it takes less than comes.')
    scene.api.options = { hosts: FEW }
    await waitForText(page, '#pipeline-note', 'memory → duckdb')
    expect(await page.locator('#pipeline-note').getAttribute('data-level')).toBe('ok')
    expect(await textOf(page, '#announcement')).toBe('All servers keep up again.')
  })
})

describe('the keyboard and the theme', () => {
  it('choose the range, open the help and close it', async () => {
    const page = await open({ hosts: FEW })
    await waitForText(page, '#card-cpu .number', /\d/)
    for (const [key, range] of [
      ['2', '1h'],
      ['5', '7d'],
      ['1', '5m'],
    ] as const) {
      await page.keyboard.press(key)
      expect(queryOf(page).get('range')).toBe(range)
      expect(await textOf(page, '#ranges [aria-pressed=true]')).toBe(range)
    }
    await page.keyboard.press('?')
    await waitForText(page, '#help h2', 'Keyboard and mouse')
    await page.keyboard.press('Escape')
    expect(await page.locator('#help').isVisible()).toBe(false)
  })

  it('remember colours that differ from the system, and follow it again', async () => {
    const page = await open({ hosts: FEW })
    const background = () => page.evaluate('getComputedStyle(document.body).backgroundColor')
    const light = await background()
    await page.locator('#theme').click()
    const dark = await background()
    expect(dark).not.toBe(light)
    await page.reload()
    expect(await background()).toBe(dark)
    await page.locator('#theme').click()
    expect(await page.evaluate('localStorage.length')).toBe(0)
    await page.emulateMedia({ colorScheme: 'dark' })
    expect(await background()).toBe(dark)
  })
})

const STATES: readonly (readonly [name: string, options: FakeApiOptions, query: string])[] = [
  ['stale and busy hosts', { hosts: FEW }, ''],
  ['an empty range', { hosts: FEW }, '?host=web-02&from=2020-01-01T00:00:00Z&to=2020-01-01T01:00:00Z'],
  ['a store that is away', { hosts: FEW, pipeline: AWAY }, ''],
  ['no host', { hosts: [] }, ''],
  ['an API with errors', { hosts: FEW, status: 502 }, ''],
]

it.each(STATES)('%s: no accessibility violation, and it fits, on all screens', async (_name, options, query) => {
  const page = await open(options, query)
  const settled = options.status === undefined && options.hosts.length > 0 ? '#hosts li' : '#notice h2'
  await page.locator(settled).first().waitFor({ state: 'attached' })
  expect(await accessibilityViolations(page)).toEqual([])
})
