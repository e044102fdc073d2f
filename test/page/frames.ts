import type { Page } from 'playwright-core'
import { openPage, SCREENS, startBrowser } from './browser.ts'
import { FakeApi } from './fake-api.ts'

// How smooth the view of GPUs is while all cells change each second: `npm run frames`. Some 20 s a row.

const FRAMES = 600
const VIEWS = [
  { what: 'map', query: '?view=gpus' },
  { what: 'map, worst first', query: '?view=gpus&order=worst&metric=power' },
  { what: 'one GPU, its host and its port', query: '?view=gpus&gpu=node-2/GPU-00000009' },
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

/** The time of the page's main thread in which it works, ms a second. */
async function workOf(page: Page): Promise<number> {
  const session = await page.context().newCDPSession(page)
  await session.send('Performance.enable')
  const read = async (): Promise<{ task: number; at: number }> => {
    const { metrics } = await session.send('Performance.getMetrics')
    const of = (name: string): number => metrics.find((metric) => metric.name === name)!.value
    return { task: of('TaskDuration'), at: of('Timestamp') }
  }
  const before = await read()
  await page.waitForTimeout(5000)
  const after = await read()
  return ((after.task - before.task) * 1000) / (after.at - before.at)
}

const browser = await startBrowser()
try {
  console.log('| GPUs | view | frames a second | longest frame, ms | main thread, ms a second |\n|--:|---|--:|--:|--:|')
  for (const count of [1_000, 5_000]) {
    for (const { what, query } of VIEWS) {
      const hosts = ['node-1', 'node-2'].map((name) => ({ name, cpu: 30 }))
      const fabric = { rows: 400, portsOfSwitch: 40, nodes: ['node-2 mlx5_0'] }
      const api = await FakeApi.start({ hosts, gpus: { count }, fabric })
      const { page } = await openPage(browser, SCREENS[0]!)
      await page.goto(`${api.url}/${query}`)
      await page.waitForTimeout(3000)
      const { framesPerSecond, longestMs } = await smoothness(page)
      const work = await workOf(page)
      console.log(
        `| ${count} | ${what} | ${framesPerSecond.toFixed(1)} | ${longestMs.toFixed(1)} | ${work.toFixed(0)} |`,
      )
      await page.context().close()
      await api.stop()
    }
  }
} finally {
  await browser.close()
}
