import type { Page } from 'playwright-core'
import { describe, expect, it } from 'vitest'
import { accessibilityViolations } from './accessibility.ts'
import type { FakeApiOptions } from './fake-api.ts'
import { queryOf, Scene, waitForText } from './scene.ts'

const NODE_2 = { name: 'node-2', cpu: 30 }
const EVENTS = [
  { kind: 'xid', text: 'Xid 79: GPU has fallen off the bus', secondsAgo: 60 },
  { kind: 'link_down', text: 'link went down, 1 time', secondsAgo: 120 },
] as const
const FLEET: FakeApiOptions = {
  hosts: [{ name: 'node-1', cpu: 0, gpusAlone: 8 }, NODE_2, { name: 'node-3', cpu: 0, gpusAlone: 8 }],
  gpus: { count: 1_000, stale: [3], xid: 9, events: EVENTS },
  fabric: { rows: 80, portsOfSwitch: 40, nodes: ['leaf-1', 'node-2 mlx5_0'] },
}
/** The second GPU of node-2. */
const OPEN = '?view=gpus&gpu=node-2/GPU-00000009'

const scene = new Scene()

const open = (query = '?view=gpus', options = FLEET): Promise<Page> => scene.open(options, query)
const worst = (page: Page) => page.locator('#gpus-worst .number').allTextContents()

describe('the map of GPUs', () => {
  it('has a cell a GPU, moves, names the one under the pointer, and opens it', async () => {
    const page = await open('?view=gpus&metric=temperature')
    await waitForText(page, '#gpus-facts', /^1,000 GPUs · 125 hosts · 1 stale · 1 with an Xid · seen \d\.\d s ago$/)
    await waitForText(page, '#live', /^live\d\.\d s behind$/)
    await waitForText(page, '#gpus-worst li:nth-child(15)', /^node-\d+ · GPU \d\d+ °C$/)
    const values = await worst(page)
    expect(values.map(Number.parseFloat)).toEqual(values.map(Number.parseFloat).toSorted((a, b) => b - a))
    await waitForText(page, '#gpus-legend', /^30 °C80 °C/)
    const before = await page.locator('#gpus-worst').textContent()
    await expect.poll(() => page.locator('#gpus-worst').textContent()).not.toBe(before)
    await page.locator('#gpus-canvas').hover({ position: { x: 5, y: 22 } })
    await waitForText(page, '#gpus-tip', /^GPU 0node-1utilisation.*temperature \d+ °C.*train-0$/s)
    await page.locator('#gpus-canvas').focus()
    for (const key of Array(3).fill('ArrowRight')) await page.keyboard.press(key)
    await waitForText(page, '#gpus-tip', 'stale, seen 3 min ago')
    await page.locator('#gpus-canvas').click({ position: { x: 5, y: 22 } })
    await waitForText(page, 'h1', 'node-1 · GPU 0')
    expect(queryOf(page).get('gpu')).toBe('node-1/GPU-00000000')
    await page.keyboard.press('j')
    await waitForText(page, 'h1', 'node-1 · GPU 1')
    await page.keyboard.press('Escape')
    await waitForText(page, 'h1', /^GPUs$/)
    expect(queryOf(page).get('gpu')).toBeNull()
    expect(scene.complaints).toEqual([])
  })

  it('shows the worst first, those that a filter lets through, and the same by a link', async () => {
    const page = await open()
    await waitForText(page, '#gpus-worst-title', 'Lowest utilisation')
    await waitForText(page, '#gpus-worst .number', /^0.0 %$/)
    await page.getByRole('button', { name: 'power' }).click()
    await page.getByRole('button', { name: 'worst first' }).click()
    await waitForText(page, '#gpus-worst-title', 'Highest power')
    await page.keyboard.press('/')
    await page.keyboard.type('train-99')
    await waitForText(page, '#gpus-facts', /^10 of 1,000 GPUs/)
    expect(Object.fromEntries(queryOf(page))).toMatchObject({ metric: 'power', order: 'worst', filter: 'train-99' })
    await page.reload()
    await waitForText(page, '#gpus-facts', /^10 of 1,000 GPUs/)
    // The first cell is of the host with the highest power.
    const highest = await page.locator('#gpus-worst .name').first().textContent()
    await page.locator('#gpus-canvas').focus()
    await page.keyboard.press('ArrowRight')
    await waitForText(page, '#gpus-tip', highest!.split(' · ')[0]!)
    await page.locator('#gpus-filter').fill('nobody')
    await waitForText(page, '#gpus-none', 'No GPU matches “nobody”.')
  })

  it('says what to do where there is no GPU', async () => {
    const page = await open('?view=gpus', { hosts: [NODE_2] })
    await waitForText(page, '#gpus-notice h2', 'No GPU yet')
  })
})

describe('an open GPU', () => {
  it('stands with its host and its switch port on one timeline, and names what happened', async () => {
    const page = await open(OPEN)
    await waitForText(page, '#gpus-facts', /NVIDIA H100.*ml\/train-9 · GPU-00000009 · seen [\d.]+ s ago/)
    for (const [card, title] of [
      ['gpu-utilization', 'Utilisation'],
      ['host-cpu', 'CPU of node-2'],
      ['port-traffic', 'Port node-2 mlx5_0 · 1'],
    ]) {
      await waitForText(page, `#card-${card} h3`, title!)
      await waitForText(page, `#card-${card} .number`, /\d/)
    }
    await waitForText(page, '#gpu-port-why', 'its node is described as node-2 mlx5_0, the first of 40 ports')
    await waitForText(page, '#gpu-events', /Xid 79: GPU has fallen off the bus.*link went down/)
    await page.locator('#card-gpu-power .plot[aria-label*="Happened"][aria-label*="Xid 79"]').waitFor()
    // A zoom is one for all charts, and stands still.
    const box = (await page.locator('#card-gpu-power .u-over').boundingBox())!
    await page.mouse.move(box.x + box.width * 0.5, box.y + 20)
    await page.mouse.down()
    await page.mouse.move(box.x + box.width * 0.9, box.y + 20, { steps: 4 })
    await page.mouse.up()
    await waitForText(page, '#gpu-zoom', / – /)
    await waitForText(page, '#card-host-cpu .headline', 'mean')
    const [fromMs, toMs] = ['from', 'to'].map((end) => Date.parse(queryOf(page).get(end)!)) as [number, number]
    const xidMs = scene.api.startedAtMs - EVENTS[0].secondsAgo * 1000
    // The head may have got another line.
    const { y } = (await page.locator('#card-gpu-power .u-over').boundingBox())!
    await page.mouse.move(box.x + ((xidMs - fromMs) / (toMs - fromMs)) * box.width, y + 24)
    await waitForText(page, '#card-gpu-power .happened', 'Xid 79: GPU has fallen off the bus')
    expect(await page.locator('#card-gpu-clocks .happened').isVisible()).toBe(false)
    expect(await page.locator('#card-gpu-clocks .happened').textContent()).toContain('Xid 79')
    // The port comes every two seconds, so its nearest values may be of another one.
    const times = await page.locator('.timeline .card:not([hidden], [id^=card-port]) .at').allTextContents()
    expect([times.length, new Set(times).size]).toEqual([8, 1])
    expect(scene.complaints).toEqual([])
  })

  it('leaves connections for questions, also where the page comes from the hosts: a browser opens six', async () => {
    const page = await open('?host=node-2')
    await waitForText(page, '#card-cpu .number', /\d/)
    await page.locator('#to-gpus').click()
    await page.locator('#gpus-filter').fill('GPU-00000009')
    await page.locator('#gpus-worst button').first().click()
    await waitForText(page, '#card-port-traffic .number', /\d/)
    // Of the pipeline, the map, the GPU and its host.
    await expect.poll(() => scene.api.openStreams).toBe(4)
    await page.locator('#to-hosts').click()
    await waitForText(page, 'h1', 'node-2')
    await expect.poll(() => scene.api.openStreams).toBe(2)
    await waitForText(page, '#live', /^live[\d.]+ s behind$/)
  })

  it('says that nothing measures its host, and that no port is known, until one is chosen', async () => {
    const page = await open('?view=gpus&gpu=node-3/GPU-00000010')
    await waitForText(page, '#card-gpu-utilization .number', /\d/)
    await waitForText(
      page,
      '#gpu-host-note',
      'No CPU and memory of node-3 in this time: an agent on that host sends them.',
    )
    expect(await page.locator('#card-host-cpu').isVisible()).toBe(false)
    await waitForText(page, '#gpu-port-why', 'No port says that it belongs to node-3')
    expect(await page.locator('#card-port-traffic').isVisible()).toBe(false)
    await page.locator('#gpu-port').fill('0xb8599f_7')
    await page.keyboard.press('Enter')
    await waitForText(page, '#card-port-traffic h3', 'Port leaf-1 · 7')
    await waitForText(page, '#card-port-traffic .number', /\d/)
    expect(queryOf(page).get('port')).toBe('0xb8599f_7')
  })

  it('is stale where it says nothing, and unknown where nobody tells of it', async () => {
    const page = await open('?view=gpus&gpu=node-1/GPU-00000003')
    await page.locator('#gpus[data-stale=true]').waitFor()
    await waitForText(page, 'h1', 'node-1 · GPU 3')
    await page.goto(`${scene.api.url}/?view=gpus&gpu=node-1/unknown`)
    await waitForText(page, '#gpus-facts', 'No GPU of this name')
  })
})

it('a host with an exporter of GPUs alone shows how many, and leads to them', async () => {
  const page = await open('?host=node-3')
  await waitForText(page, '#hosts li:nth-child(3)', /^node-38 GPUs$/)
  await page.getByRole('button', { name: 'Show its GPUs' }).click()
  await waitForText(page, '#gpus-facts', /of 1,000 GPUs/)
  expect(await page.locator('#gpus-filter').inputValue()).toBe('node-3')
  // It is not the one that a page begins with, though it is the first by name.
  await page.goto(`${scene.api.url}/`)
  await waitForText(page, 'h1', 'node-2')
})

it('has no accessibility violation, and fits, on all screens', async () => {
  const page = await open()
  await waitForText(page, '#gpus-worst .number', /\d/)
  expect(await accessibilityViolations(page)).toEqual([])
  await page.locator('#gpus-worst button').first().click()
  await waitForText(page, '#card-gpu-utilization .number', /\d/)
  await waitForText(page, '#gpu-events', 'Xid 79')
  expect(await accessibilityViolations(page)).toEqual([])
})
