import type { CDPSession, Page } from 'playwright-core'
import { openPage, SCREENS, startBrowser } from './browser.ts'
import { FakeApi, type FakeApiOptions } from './fake-api.ts'

// How smooth the maps are while all cells change: those of GPUs each second, those of a fabric every two. `npm run frames`, some 10 s a row.
// With `--profile` it says which functions of the page take the time.

const FRAMES = 300
const MOST_FUNCTIONS = 8

const HOSTS = ['node-1', 'node-2'].map((name) => ({ name, cpu: 30 }))
const PORTS = { rows: 400, portsOfSwitch: 40, nodes: ['node-2 mlx5_0'] }
const gpus = (count: number): FakeApiOptions => ({ hosts: HOSTS, gpus: { count }, fabric: PORTS })

const ROWS: readonly { readonly what: string; readonly query: string; readonly of: FakeApiOptions }[] = [
  { what: '1,000 GPUs', query: '?view=gpus', of: gpus(1_000) },
  { what: '1,000 GPUs, worst first', query: '?view=gpus&order=worst&metric=power', of: gpus(1_000) },
  { what: '1 of 1,000 GPUs, its host and its port', query: '?view=gpus&gpu=node-2/GPU-00000009', of: gpus(1_000) },
  { what: '5,000 GPUs', query: '?view=gpus', of: gpus(5_000) },
  { what: '5,000 switches', query: '?view=fabric', of: { hosts: HOSTS, fabric: { rows: 5_000 } } },
]

interface Smoothness {
  readonly framesPerSecond: number
  readonly longestMs: number
}

/** Counts frames as the page itself sees them. */
const smoothness = (page: Page): Promise<Smoothness> =>
  page.evaluate(`new Promise((resolve) => {
    const times = []
    const step = (time) => {
      times.push(time)
      if (times.length <= ${FRAMES}) return requestAnimationFrame(step)
      const gaps = times.slice(1).map((at, index) => at - times[index])
      const framesPerSecond = (gaps.length * 1000) / (times.at(-1) - times[0])
      resolve({ framesPerSecond, longestMs: Math.max(...gaps) })
    }
    requestAnimationFrame(step)
  })`)

/** The time in which the page's main thread has worked, and when that was read, s. */
async function workOf(session: CDPSession): Promise<{ readonly task: number; readonly at: number }> {
  const { metrics } = await session.send('Performance.getMetrics')
  const of = (name: string): number => metrics.find((metric) => metric.name === name)!.value
  return { task: of('TaskDuration'), at: of('Timestamp') }
}

/** The functions that took most of the time themselves, `12 ms draw`. */
async function busiestOf(session: CDPSession): Promise<readonly string[]> {
  const { profile } = await session.send('Profiler.stop')
  const names = new Map(profile.nodes.map(({ id, callFrame }) => [id, callFrame.functionName || '(nameless)']))
  const times = new Map<string, number>()
  for (const [index, id] of (profile.samples ?? []).entries()) {
    const name = names.get(id)!
    times.set(name, (times.get(name) ?? 0) + (profile.timeDeltas?.[index] ?? 0))
  }
  const sorted = [...times].filter(([name]) => name !== '(idle)').toSorted(([, a], [, b]) => b - a)
  return sorted.slice(0, MOST_FUNCTIONS).map(([name, us]) => `${Math.round(us / 1000)} ms ${name}`)
}

const isProfiled = process.argv.includes('--profile')
const browser = await startBrowser()
try {
  console.log('| cells | frames a second | longest frame, ms | main thread, ms a second |\n|---|--:|--:|--:|')
  for (const { what, query, of } of ROWS) {
    const api = await FakeApi.start(of)
    const { page } = await openPage(browser, SCREENS[0]!)
    await page.goto(`${api.url}/${query}`)
    await page
      .locator('.worst .number, #card-port-traffic .number')
      .filter({ hasText: /\d/, visible: true })
      .first()
      .waitFor()
    const session = await page.context().newCDPSession(page)
    await session.send('Performance.enable')
    if (isProfiled) {
      await session.send('Profiler.enable')
      await session.send('Profiler.start')
    }
    const before = await workOf(session)
    const { framesPerSecond, longestMs } = await smoothness(page)
    const after = await workOf(session)
    const work = ((after.task - before.task) * 1000) / (after.at - before.at)
    console.log(`| ${what} | ${framesPerSecond.toFixed(1)} | ${longestMs.toFixed(1)} | ${work.toFixed(0)} |`)
    if (isProfiled) console.log((await busiestOf(session)).join('\n'))
    await page.context().close()
    await api.stop()
  }
} finally {
  await browser.close()
}
