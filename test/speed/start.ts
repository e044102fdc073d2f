import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { openPage, startBrowser } from '../page/browser.ts'
import { ApiClient } from '../support/api.ts'
import { startProgram } from '../support/programs.ts'
import { freePort, sleep } from '../support/servers.ts'
import type { Outcome, Row } from './row.ts'

const RETRY_MS = 20

export const start: Row = {
  id: 'start',
  page: 'speed',
  what: 'From the start of `sentinel up`, on an empty folder, to the first sample on the page (CPU of this machine, in headless Chromium that is already open)',
  command: 'npm run speed -- --rows start',
  figures: [
    { name: 'on the page', unit: 's', decimals: 2, reach: { atMost: 3 } },
    { name: 'over the API', unit: 's', decimals: 2 },
  ],
  run: async (): Promise<Outcome> => {
    const folder = await mkdtemp(join(tmpdir(), 'sentinel-speed-'))
    const [apiPort, adminPort] = [await freePort(), await freePort()]
    const browser = await startBrowser()
    try {
      const { page } = await openPage(browser)
      const startedAtMs = performance.now()
      const up = startProgram('sentinel', {
        args: ['up', `--api-port=${apiPort}`, `--admin-port=${adminPort}`, `--duckdb-path=${join(folder, 'a.duckdb')}`],
      })
      const sinceStart = (): number => (performance.now() - startedAtMs) / 1000
      try {
        const api = new ApiClient(apiPort)
        await answering(api.url)
        const [onPage, overApi] = await Promise.all([
          firstOnPage(page, `${api.url}/`).then(sinceStart),
          api.firstHost().then(sinceStart),
        ])
        return { figures: { 'on the page': onPage, 'over the API': overApi } }
      } finally {
        await up.stop()
      }
    } finally {
      await browser.close()
      await rm(folder, { recursive: true, force: true })
    }
  },
}

/** A browser that reloads until somebody answers would take the CPU from the start that is measured: this waits at less cost. */
async function answering(url: string): Promise<void> {
  while (
    !(await fetch(`${url}/health`).then(
      ({ ok }) => ok,
      () => false,
    ))
  )
    await sleep(RETRY_MS)
}

async function firstOnPage(page: Page, url: string): Promise<void> {
  await page.goto(url)
  await page
    .locator('#card-cpu .number')
    .filter({ hasText: /^[\d.]+$/, visible: true })
    .waitFor()
}
