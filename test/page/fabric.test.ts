import type { Page } from 'playwright-core'
import { describe, expect, it } from 'vitest'
import { accessibilityViolations } from './accessibility.ts'
import { SCREENS } from './browser.ts'
import type { FakeFabric } from './fake-fabric.ts'
import { queryOf, Scene, waitForText } from './scene.ts'

const HOSTS = [{ name: 'web-01', cpu: 12 }]

const scene = new Scene()

const open = (fabric: FakeFabric | undefined, query = '?view=fabric', screen = SCREENS[0]!): Promise<Page> =>
  scene.open({ hosts: HOSTS, ...(fabric === undefined ? {} : { fabric }) }, query, screen)

/** The colour of a point of the canvas, as red, green, blue and opacity. */
const colourAt = (page: Page, x: number, y: number) =>
  page.evaluate<number[]>(`[...document.querySelector('#fabric-canvas').getContext('2d')
    .getImageData(${x} * devicePixelRatio, ${y} * devicePixelRatio, 1, 1).data]`)

describe('the view of fabrics', () => {
  it('shows a cell a switch, with the range of the metric and the highest beside it', async () => {
    const page = await open({ rows: 50 })
    await waitForText(page, '#fabric-facts', '50 switches')
    await waitForText(page, '#fabric-worst li:nth-child(15)', /^sw\d+\s*\d/)
    expect(await page.locator('#fabric-canvas').getAttribute('aria-label')).toMatch(/^bandwidth_mbps of 50 cells: \d/)
    // Both at once: a generation may come at any moment.
    const [values, high] = await page.evaluate<[string[], string]>(`[
      [...document.querySelectorAll('#fabric-worst .number')].map(({ textContent }) => textContent),
      document.querySelector('#fabric-high').textContent,
    ]`)
    expect(values.map(Number)).toEqual(values.map(Number).toSorted((a, b) => b - a))
    expect(high).toBe(values[0])
    expect((await colourAt(page, 10, 10))[3]).toBe(255)
    expect(scene.complaints).toEqual([])
  })

  it('takes a new generation by itself', async () => {
    const page = await open({ rows: 50, generation: 1 })
    await waitForText(page, '#fabric-high', /\d/)
    const before = await page.locator('#fabric-worst').textContent()
    scene.api.options = { hosts: HOSTS, fabric: { rows: 50, generation: 9 } }
    await expect.poll(() => page.locator('#fabric-worst').textContent()).not.toBe(before)
  })

  it('names the cell under the pointer, and opens its history', async () => {
    const page = await open({ rows: 50, generation: 1 })
    await waitForText(page, '#fabric-high', /\d/)
    await page.locator('#fabric-canvas').hover({ position: { x: 8, y: 8 } })
    await waitForText(page, '#fabric-tip', 'sw1')
    await page.locator('#fabric-canvas').click({ position: { x: 8, y: 8 } })
    await waitForText(page, '#fabric-chosen', 'sw1')
    await waitForText(page, '#fabric-history .number', /\d/)
    expect(queryOf(page).get('id')).toBe('sw1')
    await page.locator('#fabric-close').click()
    await page.locator('#fabric-history').waitFor({ state: 'hidden' })
    expect(queryOf(page).get('id')).toBeNull()
  })

  it('is walked through by the keyboard', async () => {
    const page = await open({ rows: 50, generation: 1 })
    await waitForText(page, '#fabric-high', /\d/)
    await page.locator('#fabric-canvas').focus()
    for (const key of ['ArrowRight', 'ArrowRight', 'ArrowRight', 'ArrowLeft']) await page.keyboard.press(key)
    await waitForText(page, '#fabric-tip', 'sw2')
    await page.keyboard.press('Enter')
    await waitForText(page, '#fabric-chosen', 'sw2')
  })

  it('compares counters by their rate; a link brings the same view back', async () => {
    const page = await open({ rows: 50 }, '?view=fabric&metric=packet_errors&id=sw3&range=1h')
    await page.locator('#fabric-by [data-by=rate]').click()
    await waitForText(page, '#fabric-high', '/s')
    expect(queryOf(page).get('by')).toBe('rate')
    await page.reload()
    await waitForText(page, '#fabric-what', 'packet_errors, rate')
    await waitForText(page, '#fabric-chosen', 'sw3')
    expect(await page.locator('#ranges [data-range="1h"]').getAttribute('aria-pressed')).toBe('true')
  })

  it('has no rate of what is no counter, and shades for texts', async () => {
    const page = await open({ rows: 50 }, '?view=fabric&metric=port_status&by=rate')
    await waitForText(page, '#fabric-low', 'Active')
    await waitForText(page, '#fabric-high', 'Down')
    expect(await page.locator('#fabric-by [data-by=rate]').isDisabled()).toBe(true)
    await waitForText(page, '#fabric-worst', 'no numbers')
  })

  it('groups ports by their switch', async () => {
    const page = await open({ rows: 400, portsOfSwitch: 40 })
    await waitForText(page, '#fabric-facts', '400 ports · 10 switches')
    await page.locator('#fabric-canvas').hover({ position: { x: 5, y: 5 } })
    await waitForText(page, '#fabric-tip', 'leaf-1')
  })

  it('looks stale where it is, and says which target does not answer', async () => {
    const page = await open({ rows: 50, stale: true, error: 'connection refused', generation: 1 })
    await waitForText(page, '#fabric-facts', /stale, seen 1 min ago.*counters does not answer: connection refused/)
    await page.locator('#fabric-canvas').hover({ position: { x: 5, y: 5 } })
    await waitForText(page, '#fabric-tip', /^sw1.*stale, seen 1 min ago$/s)
    const [red, green, blue] = await colourAt(page, 10, 10)
    expect(Math.max(red!, green!, blue!) - Math.min(red!, green!, blue!)).toBeLessThan(24)
  })

  it('looks stale too where the API has said nothing for three intervals', async () => {
    const page = await scene.blank({ hosts: HOSTS, fabric: { rows: 50, generation: 1 } })
    await page.clock.install()
    await page.goto(`${scene.api.url}/?view=fabric`)
    await waitForText(page, '#fabric-high', /\d/)
    expect(await page.locator('#fabric').getAttribute('data-stale')).toBe('false')
    scene.api.options = { hosts: HOSTS, status: 503 }
    await page.clock.fastForward(11_000)
    await page.locator('#fabric[data-stale=true]').waitFor()
    await waitForText(page, '#fabric-facts', /stale, seen 1\d s ago/)
    const [red, green, blue] = await colourAt(page, 10, 10)
    expect(Math.max(red!, green!, blue!) - Math.min(red!, green!, blue!)).toBeLessThan(24)
    scene.api.options = { hosts: HOSTS, fabric: { rows: 50, generation: 2 } }
    await page.locator('#fabric[data-stale=false]').waitFor()
  })

  it('writes the name of a cell at the edge within the map', async () => {
    const page = await open({ rows: 50, generation: 1 }, '?view=fabric', SCREENS.find(({ width }) => width === 390)!)
    await waitForText(page, '#fabric-high', /\d/)
    const edges = `(() => {
      const [tip, holder] = ['fabric-tip', 'fabric-canvas-holder'].map((id) => document.getElementById(id).getBoundingClientRect())
      return [tip.left >= holder.left, tip.right <= holder.right, tip.top >= holder.top, tip.bottom <= holder.bottom]
    })()`
    const last = await page.evaluate<number>('document.querySelector("#fabric-canvas").clientHeight')
    for (const position of [
      { x: 5, y: 5 },
      { x: 300, y: 5 },
      { x: 5, y: last - 5 },
    ]) {
      await page.locator('#fabric-canvas').hover({ position })
      await waitForText(page, '#fabric-tip', /^sw/)
      expect(await page.evaluate(edges), JSON.stringify(position)).toEqual([true, true, true, true])
    }
  })

  it('says what to do where there is no fabric, and where the API is away', async () => {
    const page = await open(undefined)
    await waitForText(page, '#fabric-notice h2', 'No fabric yet')
    scene.api.options = { hosts: HOSTS, fabric: { rows: 5 } }
    await waitForText(page, '#fabric-facts', '5 switches')
    scene.api.options = { hosts: HOSTS, status: 503 }
    await waitForText(page, '#banner-text', 'The API answers with an error (503)')
  })

  it('is left for the hosts and comes back, by the links and by the history of the browser', async () => {
    const page = await open({ rows: 5 })
    await waitForText(page, '#fabric-facts', '5 switches')
    await page.locator('#to-hosts').click()
    await waitForText(page, 'h1', 'web-01')
    await page.goBack()
    await waitForText(page, '#fabric-facts', '5 switches')
    expect(await page.locator('#hosts-view').isVisible()).toBe(false)
  })

  it('draws 5,000 cells, each where the pointer finds it', async () => {
    const page = await open({ rows: 5_000, generation: 1 })
    await waitForText(page, '#fabric-facts', '5,000 switches')
    await waitForText(page, '#fabric-high', /\d/)
    await page.locator('#fabric-canvas').hover({ position: { x: 3, y: 3 } })
    await waitForText(page, '#fabric-tip', 'sw1')
    expect(scene.complaints).toEqual([])
  })

  it('has no accessibility violation, and fits, on all screens', async () => {
    const page = await open({ rows: 50 }, '?view=fabric&id=sw7')
    await waitForText(page, '#fabric-history .number', /\d/)
    expect(await accessibilityViolations(page)).toEqual([])
  })
})
