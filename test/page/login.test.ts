import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { startProgram } from '../support/programs.ts'
import { freePort, until } from '../support/servers.ts'
import { accessibilityViolations } from './accessibility.ts'
import { openPage, SCREENS, startBrowser } from './browser.ts'
import { FakeApi, type FakeApiOptions } from './fake-api.ts'

const KEY = 'sk-right-0123456789'
const KEYS = {
  [KEY]: { name: 'grafana', scopes: ['read'] },
  'sk-write': { name: 'vmagent', scopes: ['write'] },
}
const LOCKED: FakeApiOptions = { hosts: [{ name: 'web-01', cpu: 12 }], keys: KEYS }

let browser: Browser
let api: FakeApi | undefined

beforeAll(async () => {
  browser = await startBrowser()
})
afterEach(async () => {
  await Promise.all(browser.contexts().map((context) => context.close()))
  await api?.stop()
})
afterAll(() => browser.close())

async function open(options: FakeApiOptions): Promise<Page> {
  api = await FakeApi.start(options)
  const { page } = await openPage(browser)
  await page.goto(api.url)
  return page
}

const waitForText = (page: Page, selector: string, text: string | RegExp) =>
  page.locator(selector).filter({ hasText: text, visible: true }).waitFor()
const kept = (page: Page) => page.evaluate('sessionStorage.length + localStorage.length')

async function logIn(page: Page, key: string): Promise<void> {
  await page.locator('#login-key').fill(key)
  await page.keyboard.press('Enter')
}

describe('the log-in', () => {
  it('asks for a key before anything else, says what is wrong with one, and sends the right one in a header alone', async () => {
    api = await FakeApi.start(LOCKED)
    const { page } = await openPage(browser)
    const asked: { path: string; key: string | undefined }[] = []
    page.on('request', (request) => {
      const { pathname, search } = new URL(request.url())
      expect(search).not.toContain('sk-')
      if (pathname.startsWith('/api/')) asked.push({ path: pathname, key: request.headers()['x-api-key'] })
    })
    await page.goto(`${api.url}/?range=1h`)
    await waitForText(page, '#login-why', 'answers to those who have a key')
    expect(await page.locator('#live').textContent()).toBe('locked')
    expect(await page.locator('#login-key').evaluate((field) => field.matches(':focus'))).toBe(true)
    expect(asked.map(({ path }) => path)).toEqual(['/api/v1/whoami'])

    await logIn(page, 'sk-wrong')
    await waitForText(page, '#login-error', 'wrong, has ended, or was revoked')
    await logIn(page, 'sk-write')
    await waitForText(page, '#login-error', 'The key vmagent has the scope write.')
    asked.length = 0
    await logIn(page, KEY)
    await waitForText(page, '#card-cpu .number', /\d/)
    await waitForText(page, '#who', 'grafana · read')
    expect(new URL(page.url()).searchParams.get('range')).toBe('1h')
    expect(asked.map(({ path }) => path)).toEqual(expect.arrayContaining(['/api/v1/live', '/api/v1/pipeline/live']))
    expect(new Set(asked.map(({ key }) => key))).toEqual(new Set([KEY]))
    expect(await kept(page)).toBe(0)
    await page.reload()
    await waitForText(page, '#login-why', 'answers to those who have a key')
  })

  it('keeps the key in the tab where that is wanted, until the log-out', async () => {
    const page = await open(LOCKED)
    await page.locator('#login-keep').check()
    await logIn(page, KEY)
    await waitForText(page, '#card-cpu .number', /\d/)
    await page.reload()
    await waitForText(page, '#card-cpu .number', /\d/)
    await page.locator('#log-out').click()
    await waitForText(page, '#login-why', 'this page has forgotten the key')
    expect([await kept(page), await page.locator('#who').isVisible()]).toEqual([0, false])
    await page.reload()
    await waitForText(page, '#login-why', 'answers to those who have a key')
  })

  it('comes back when the key is revoked or may less, and goes on with another one where the page was', async () => {
    const page = await open({ ...LOCKED, keys: { ...KEYS, 'sk-other': { name: 'other', scopes: ['read'] } } })
    await logIn(page, KEY)
    await waitForText(page, '#card-cpu .number', /\d/)
    api!.options = { ...LOCKED, keys: { 'sk-other': { name: 'other', scopes: ['read'] } } }
    await waitForText(page, '#login-why', 'has ended, or was revoked')
    await logIn(page, 'sk-other')
    await waitForText(page, '#card-cpu .number', /\d/)
    api!.options = { ...LOCKED, keys: { 'sk-other': { name: 'other', scopes: ['write'] } } }
    await waitForText(page, '#login-why', 'this needs a key with the scope read; this one has write')
  })

  it('is not there where no key is needed', async () => {
    const page = await open({ hosts: LOCKED.hosts })
    await waitForText(page, '#card-cpu .number', /\d/)
    for (const id of ['#login', '#who', '#log-out']) expect(await page.locator(id).isVisible()).toBe(false)
  })

  it.each([SCREENS[0]!, SCREENS[3]!])(
    'has no accessibility violation, and fits, at $width px $theme',
    async (screen) => {
      api = await FakeApi.start(LOCKED)
      const { page } = await openPage(browser, screen, { bypassCSP: true })
      await page.goto(api.url)
      await logIn(page, 'sk-write')
      await waitForText(page, '#login-error', 'vmagent')
      expect(await accessibilityViolations(page)).toEqual([])
      expect(await page.evaluate('document.documentElement.scrollWidth - innerWidth')).toBe(0)
    },
  )
})

describe('a limit of requests', () => {
  it('is counted down, and the page goes on by itself', async () => {
    const page = await open({ hosts: LOCKED.hosts })
    await waitForText(page, '#card-cpu .number', /\d/)
    api!.options = { ...api!.options, status: 429, retryAfterSeconds: 4 }
    await waitForText(page, '#banner', /goes on by itself in 3 s/)
    await waitForText(page, '#banner', /goes on by itself in 2 s/)
    await waitForText(page, '#live', 'limited')
    api!.options = { hosts: LOCKED.hosts }
    await page.locator('#banner').waitFor({ state: 'hidden' })
    await waitForText(page, '#live', /behind/)
  })

  it('is counted down at the log-in', async () => {
    const page = await open(LOCKED)
    await page.locator('#login').waitFor()
    api!.options = { ...LOCKED, status: 429, retryAfterSeconds: 3 }
    await logIn(page, KEY)
    await waitForText(page, '#login-error', /Try again in 2 s/)
    expect(await page.locator('#login-send').isDisabled()).toBe(true)
    api!.options = LOCKED
    await expect.poll(() => page.locator('#login-send').isEnabled()).toBe(true)
    await logIn(page, KEY)
    await waitForText(page, '#card-cpu .number', /\d/)
  })
})

describe('with the real API', () => {
  it('lets in who has a key, and shows its live values', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'sentinel-page-'))
    const port = await freePort()
    const product = startProgram('sentinel', {
      args: ['up', `--api-port=${port}`, '--admin-port=0', '--agent-host=locked', `--data-path=${folder}`],
      env: { API_KEY: KEY, SENTINEL_DUCKDB_PATH: join(folder, 'sentinel.duckdb') },
    })
    try {
      const url = `http://127.0.0.1:${port}/`
      await until('it answers', () =>
        fetch(`${url}health`).then(
          ({ ok }) => ok,
          () => false,
        ),
      )
      const { page, complaints } = await openPage(browser)
      await page.goto(url)
      await logIn(page, `${KEY}x`)
      await waitForText(page, '#login-error', 'wrong, has ended, or was revoked')
      await logIn(page, KEY)
      await waitForText(page, 'h1', 'locked')
      await waitForText(page, '#card-cpu .number', /\d/)
      await waitForText(page, '#live', /live.*behind/)
      await waitForText(page, '#pipeline-note', 'memory → duckdb')
      expect(complaints).toEqual([expect.stringContaining('401')])
    } finally {
      await product.stop()
      await rm(folder, { recursive: true, force: true })
    }
  })
})
