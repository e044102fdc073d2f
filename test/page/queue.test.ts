import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { QueueFigures } from '../../internal/view/queue/figures.ts'
import { type Program, startProgram } from '../support/programs.ts'
import { freePort, startRedis, type TestServer, until } from '../support/servers.ts'
import { accessibilityViolations } from './accessibility.ts'
import { openPage } from './browser.ts'
import { busyQueue, NO_QUEUE, UNUSED_QUEUE } from './fake-queue.ts'
import { queryOf, Scene, waitForText } from './scene.ts'

const HOSTS = [{ name: 'web-01', cpu: 12 }]

const scene = new Scene()

const open = (queue: (atMs: number) => QueueFigures | undefined, query = '?view=queue'): Promise<Page> =>
  scene.open({ hosts: HOSTS, queue }, query)

describe('the view of the queue', () => {
  it('shows a row a partition, with lines that grow, and red only where somebody is needed', async () => {
    const page = await open(busyQueue)
    await waitForText(page, '#queue-facts', '2 topics · 6 partitions · 3 groups')
    const row = page.locator('#queue-partitions tbody').first()
    const length = row.locator('.queue-number').first()
    const before = await length.textContent()
    await expect.poll(() => length.textContent()).not.toBe(before)
    await expect.poll(() => row.locator('path').first().getAttribute('d')).toMatch(/^M.*L.*L/)
    expect(await row.locator('.queue-read-by').textContent()).toBe('sentinel: server-a, server-b')
    expect(await page.locator('#queue-partitions tbody[data-level=critical] th').allTextContents()).toEqual([
      'events 1',
    ])
    await waitForText(page, '#queue-partitions .queue-attention', 'Nobody reads for group billing for 2 h')
    await waitForText(page, '#queue-trouble', '1 partition and 1 gateway need somebody')
    await waitForText(page, '#queue-groups', /billing.*gateway-rack-7/)
    await waitForText(page, '#queue-gateways', /gateway-rack-8.*silent for 3 min/)
    await waitForText(page, '#live', /live.*behind/)
    expect(scene.complaints).toEqual([])
  })

  it('is walked through by the keyboard; a row opens its groups, and a link brings it back open', async () => {
    const page = await open(busyQueue)
    await waitForText(page, '#queue-facts', '6 partitions')
    for (const key of ['j', 'j', 'k']) await page.keyboard.press(key)
    await page.keyboard.press('Enter')
    await waitForText(page, '.queue-group', /sentinel.*server-a reads, holds/)
    expect(queryOf(page).get('open')).toBe('telemetry:0')
    await page.keyboard.press('Escape')
    await expect.poll(() => page.locator('.queue-group').count()).toBe(0)
    await page.goto(`${scene.api.url}/?view=queue&open=events:1`)
    await waitForText(page, '.queue-group', /mine.*gateway-rack-7 reads, holds 3, 2 clients/)
    await waitForText(page, '.queue-more', '12,340 on the disk of gateway-rack-7')
  })

  it('says why there is no queue, that nobody reads yet, and that Redis is away', async () => {
    let figures: QueueFigures | undefined = NO_QUEUE
    const page = await open(() => figures)
    await waitForText(page, '#queue-notice', /There is no queue.*hands messages over/)
    figures = UNUSED_QUEUE
    await waitForText(page, '#queue-groups', 'No group yet')
    await waitForText(page, '.queue-read-by', 'nobody yet')
    figures = undefined
    await waitForText(page, '#queue-trouble', /Redis does not answer: what you see is .* old/)
    await page.reload()
    await waitForText(page, '#queue-notice h2', 'Redis does not answer')
    figures = UNUSED_QUEUE
    await waitForText(page, '#queue-groups', 'No group yet')
  })

  it('has no accessibility violation, and fits, on all screens', async () => {
    const page = await open(busyQueue, '?view=queue&open=events:1')
    await waitForText(page, '.queue-group', 'mine')
    expect(await accessibilityViolations(page)).toEqual([])
  })
})

describe('with a real Redis, gateway and API', () => {
  let redis: TestServer
  let folder: string
  let programs: Program[]
  const ports: Record<'api' | 'queue', number> = { api: 0, queue: 0 }

  beforeAll(async () => {
    redis = await startRedis()
    folder = await mkdtemp(join(tmpdir(), 'sentinel-page-'))
    for (const role of ['api', 'queue'] as const) ports[role] = await freePort()
    const common = [`--redis-url=${redis.url}`, `--data-path=${folder}`, '--admin-port=0', '--broker-partitions=2']
    programs = [
      startProgram('queue', { args: [...common, `--queue-port=${ports.queue}`, '--queue-max-unacked=100'] }),
      startProgram('api', { args: [...common, `--api-port=${ports.api}`, '--broker-kind=streams'] }),
    ]
    for (const port of Object.values(ports))
      await until('it answers', () =>
        fetch(`http://127.0.0.1:${port}/health`).then(
          ({ ok }) => ok,
          () => false,
        ),
      )
  })
  afterAll(async () => {
    for (const program of programs) await program.stop()
    await redis.stop()
    await rm(folder, { recursive: true, force: true })
  })

  it('shows what waits, who reads it, and that Redis is away', async () => {
    const queue = `http://127.0.0.1:${ports.queue}`
    const leave = new AbortController()
    const consumer = await fetch(`${queue}/consume?topic=events&partition=1&group=mine`, { signal: leave.signal })
    for (let i = 0; i < 130; i++)
      await fetch(`${queue}/produce?topic=events&partition=1`, { method: 'POST', body: `${i}` })
    const { page } = await openPage(scene.browser)
    await page.goto(`http://127.0.0.1:${ports.api}/?view=queue&open=events:1`)
    const figures = page.locator('#queue-partitions tbody').nth(3).locator('.queue-number')
    await expect.poll(() => figures.allTextContents()).toEqual(['100', '0', '100', '30', expect.stringMatching(/ s$/)])
    await waitForText(page, '.queue-group', /mine.*gateway-\S+ reads, holds 100, 1 client/)
    await redis.stop()
    await waitForText(page, '#queue-trouble', 'Redis does not answer')
    leave.abort()
    await consumer.body?.cancel().catch(() => {})
  })
})
