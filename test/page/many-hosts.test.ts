import type { Page } from 'playwright-core'
import { describe, expect, it } from 'vitest'
import { accessibilityViolations } from './accessibility.ts'
import type { FakeHost } from './fake-api.ts'
import { Scene, waitForText } from './scene.ts'

// The list of hosts where it is longer than a person reads: ten thousand of them.

const MANY = 10_000
/** Rows in the document: those in sight, and ten above and below. */
const MOST_ROWS = 60

const hostsOf = (count: number): FakeHost[] =>
  Array.from({ length: count }, (_, n) => ({
    name: `node-${n + 1}`,
    cpu: n === 4_321 ? 97 : 10,
    ...(n % 5_000 === 17 ? { silentMs: 3 * 3_600_000 } : {}),
  }))

const scene = new Scene()

const open = (query = ''): Promise<Page> => scene.open({ hosts: hostsOf(MANY) }, query)

const rows = (page: Page) => page.locator('#hosts li').count()
const scrollTo = (page: Page, share: number) =>
  page.evaluate(
    `{ const list = document.getElementById('hosts-scroll'); list.scrollTop = list.scrollHeight * ${share} }`,
  )

interface InSight {
  readonly names: readonly string[]
  readonly offset: number
}

/** The rows in sight, from the top: names, and how far the first one is from the top of the list, px; undefined while there are none. */
const inSightNow = (page: Page): Promise<InSight | undefined> =>
  page.evaluate(`(() => {
    const box = document.getElementById('hosts-scroll').getBoundingClientRect()
    const seen = [...document.querySelectorAll('#hosts li')]
      .map((row) => ({ name: row.querySelector('.host-name').textContent, box: row.getBoundingClientRect() }))
      .filter((row) => row.box.bottom > box.top + 1 && row.box.top < box.bottom - 1)
    return seen.length > 0 ? { names: seen.map((row) => row.name), offset: Math.round(seen[0].box.top - box.top) } : undefined
  })()`)

/** After a jump they come with the next frame. Asked from outside: the page's own policy lets nothing wait inside it. */
async function inSight(page: Page): Promise<InSight> {
  for (;;) {
    const seen = await inSightNow(page)
    if (seen !== undefined) return seen
  }
}

const waitForRow = (page: Page, name: string) => expect.poll(async () => (await inSight(page)).names).toContain(name)

describe('the list of ten thousand hosts', () => {
  it('has the rows in sight alone in the document, and can be scrolled to its end', async () => {
    const page = await open()
    await waitForText(page, '#hosts-count', '10,000 hosts · 2 stale')
    expect(await rows(page)).toBeLessThan(MOST_ROWS)
    expect((await inSight(page)).names.slice(0, 3)).toEqual(['node-1', 'node-2', 'node-3'])
    for (const [share, name] of [
      [0.5, 'node-5001'],
      [1, 'node-10000'],
      [0, 'node-1'],
    ] as const) {
      await scrollTo(page, share)
      await waitForRow(page, name)
      const { names } = await inSight(page)
      expect(names.length).toBeGreaterThan(15)
      expect(await rows(page)).toBeLessThan(MOST_ROWS)
    }
    expect(await page.locator('#hosts li').first().getAttribute('aria-posinset')).toBe('1')
    expect(await page.locator('#hosts li').first().getAttribute('aria-setsize')).toBe('10000')
  })

  it('finds any host by the filter, and shows all of it', async () => {
    const page = await open()
    await waitForText(page, '#hosts-count', '10,000 hosts')
    await page.keyboard.press('/')
    await page.keyboard.type('node-9999')
    await waitForText(page, '#hosts-count', '1 of 10,000 hosts')
    await page.keyboard.press('Enter')
    await waitForText(page, 'h1', /^node-9999$/)
    // It is not among the first hosts, which come with all figures.
    await waitForText(page, '#host-facts', /8\scores/)
    await waitForText(page, '#card-cpu .number', /\d/)
    await page.locator('#filter').fill('')
    await waitForText(page, '#hosts-count', '10,000 hosts')
    await page.locator('#filter').fill('nothing like it')
    await waitForText(page, '#hosts-none', 'No host matches')
    expect(await rows(page)).toBe(0)
  })

  it('scrolls to the host of a link', async () => {
    const page = await open('?host=node-8000')
    await waitForText(page, '#hosts [aria-current]', 'node-8000')
    expect((await inSight(page)).names).toContain('node-8000')
    await waitForText(page, '#host-facts', /8\scores/)
  })

  it('is walked through by the keyboard, beyond the rows in the document', async () => {
    const page = await open()
    await waitForText(page, '#hosts-count', '10,000 hosts')
    const focused = () => page.evaluate(`document.activeElement.querySelector('.host-name')?.textContent`)
    await page.keyboard.press('/')
    for (const [key, name] of [
      ['ArrowDown', 'node-1'],
      ['End', 'node-10000'],
      ['ArrowUp', 'node-9999'],
      ['Home', 'node-1'],
      ['ArrowDown', 'node-2'],
    ] as const) {
      await page.keyboard.press(key)
      expect(await focused()).toBe(name)
      expect((await inSight(page)).names).toContain(name)
    }
    // The row with the focus stays, though it is scrolled out of sight and the list has been asked for again.
    await scrollTo(page, 0.5)
    scene.api.options = { hosts: hostsOf(MANY + 1) }
    await waitForText(page, '#hosts-count', '10,001 hosts')
    expect(await focused()).toBe('node-2')
    await page.keyboard.press('Enter')
    await waitForText(page, 'h1', /^node-2$/)
    for (let n = 0; n < 30; n++) await page.keyboard.press('j')
    await waitForText(page, 'h1', /^node-32$/)
    await waitForRow(page, 'node-32')
  })

  it('stays where it is while hosts come and go above', async () => {
    const page = await open()
    await waitForText(page, '#hosts-count', '10,000 hosts')
    await page.evaluate(`document.getElementById('hosts-scroll').scrollTop = 123_456`)
    await waitForRow(page, 'node-3859')
    const before = await inSight(page)
    const others = Array.from({ length: 7 }, (_, n) => ({ name: `another-${n}`, cpu: 5 }))
    scene.api.options = { hosts: [...others, ...hostsOf(MANY)] }
    await waitForText(page, '#hosts-count', '10,007 hosts')
    expect(await inSight(page)).toEqual(before)
    scene.api.options = { hosts: hostsOf(MANY).slice(100) }
    await waitForText(page, '#hosts-count', '9,900 hosts')
    expect(await inSight(page)).toEqual(before)
  })

  it('shows the busiest first where that is asked for, and no row moves away under the pointer', async () => {
    const page = await open()
    await waitForText(page, '#hosts-count', '10,000 hosts')
    await page.locator('#hosts-order').click()
    expect((await inSight(page)).names[0]).toBe('node-4322')
    await scrollTo(page, 1)
    await waitForText(page, '#hosts li:last-child', /node-5018.*stale 3 h/)
    await scrollTo(page, 0)
    await page.locator('#hosts li').nth(1).hover()
    // Only now: until the pointer was there, rows could still change places.
    const held = (await inSight(page)).names.slice(0, 2)
    scene.api.options = { hosts: [{ name: 'burning', cpu: 99 }, ...hostsOf(MANY)] }
    await waitForText(page, '#hosts-count', '10,001 hosts')
    expect((await inSight(page)).names.slice(0, 2)).toEqual(held)
    await page.locator('#cards').hover()
    await page.keyboard.press('Escape')
    await waitForRow(page, 'burning')
    await page.locator('#hosts-order').click()
    await expect.poll(async () => (await inSight(page)).names.slice(0, 2)).toEqual(['burning', 'node-1'])
  })
})

it('ten thousand hosts have no accessibility violation, and fit, on all screens', async () => {
  const page = await open()
  await waitForText(page, '#card-cpu .number', /\d/)
  const show = async (width: number): Promise<void> => {
    if (width < 760) await page.locator('#picker').click()
    await waitForText(page, '#hosts-count', '10,000 hosts · 2 stale')
    await waitForRow(page, 'node-1')
    expect(await rows(page)).toBeLessThan(MOST_ROWS)
  }
  expect(await accessibilityViolations(page, show)).toEqual([])
})
