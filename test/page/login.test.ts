import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { describe, expect, it } from 'vitest'
import { startProgram } from '../support/programs.ts'
import { freePort, until } from '../support/servers.ts'
import { accessibilityViolations } from './accessibility.ts'
import { openPage } from './browser.ts'
import type { FakeApiOptions } from './fake-api.ts'
import { Scene, waitForText } from './scene.ts'

const KEY = 'sk-right-0123456789'
const KEYS = {
  [KEY]: { name: 'grafana', scopes: ['read'] },
  'sk-write': { name: 'vmagent', scopes: ['write'] },
}
const LOCKED: FakeApiOptions = { hosts: [{ name: 'web-01', cpu: 12 }], keys: KEYS }

const scene = new Scene()

const open = (options: FakeApiOptions): Promise<Page> => scene.open(options)
const kept = (page: Page) => page.evaluate('sessionStorage.length + localStorage.length')

async function logIn(page: Page, key: string): Promise<void> {
  await page.locator('#login-key').fill(key)
  await page.keyboard.press('Enter')
}

describe('the log-in', () => {
  it('asks for a key before anything else, says what is wrong with one, and sends the right one in a header alone', async () => {
    const page = await scene.blank(LOCKED)
    const asked: { path: string; key: string | undefined }[] = []
    page.on('request', (request) => {
      const { pathname, search } = new URL(request.url())
      expect(search).not.toContain('sk-')
      if (pathname.startsWith('/api/')) asked.push({ path: pathname, key: request.headers()['x-api-key'] })
    })
    await page.goto(`${scene.api.url}/?range=1h`)
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
    scene.api.options = { ...LOCKED, keys: { 'sk-other': { name: 'other', scopes: ['read'] } } }
    await waitForText(page, '#login-why', 'has ended, or was revoked')
    await logIn(page, 'sk-other')
    await waitForText(page, '#card-cpu .number', /\d/)
    scene.api.options = { ...LOCKED, keys: { 'sk-other': { name: 'other', scopes: ['write'] } } }
    await waitForText(page, '#login-why', 'this needs a key with the scope read; this one has write')
  })

  it('is not there where no key is needed', async () => {
    const page = await open({ hosts: LOCKED.hosts })
    await waitForText(page, '#card-cpu .number', /\d/)
    for (const id of ['#login', '#who', '#log-out']) expect(await page.locator(id).isVisible()).toBe(false)
  })

  it('has no accessibility violation, and fits, on all screens', async () => {
    const page = await open(LOCKED)
    await logIn(page, 'sk-write')
    await waitForText(page, '#login-error', 'vmagent')
    expect(await accessibilityViolations(page)).toEqual([])
  })

  it('comes back where a stream alone wants another key', async () => {
    const page = await open({ hosts: LOCKED.hosts })
    await waitForText(page, '#card-cpu .number', /\d/)
    scene.api.refuseStreams({ status: 401 })
    await waitForText(page, '#login-why', 'answers to those who have a key')
  })
})

describe('a limit of requests', () => {
  it('is counted down, and the page goes on by itself', async () => {
    const page = await open({ hosts: LOCKED.hosts })
    await waitForText(page, '#card-cpu .number', /\d/)
    scene.api.options = { ...scene.api.options, status: 429, retryAfterSeconds: 4 }
    await waitForText(page, '#banner', /goes on by itself in 3 s/)
    await waitForText(page, '#banner', /goes on by itself in 2 s/)
    await waitForText(page, '#live', 'limited')
    scene.api.options = { hosts: LOCKED.hosts }
    await page.locator('#banner').waitFor({ state: 'hidden' })
    await waitForText(page, '#live', /behind/)
  })

  it('of streams alone is said in words, on the line and at the foot, and the page goes on by itself', async () => {
    const page = await open({ hosts: LOCKED.hosts })
    await waitForText(page, '#card-cpu .number', /\d/)
    scene.api.refuseStreams({ status: 429, retryAfterSeconds: 4 })
    await waitForText(page, '#live', /^limitedagain in [34] s$/)
    await waitForText(page, '#banner', /no live values for now: too many requests.*goes on by itself in [1-4] s/)
    await waitForText(page, '#pipeline-note', /^too many requests: the server is asked again in [1-4] s$/)
    scene.api.refuseStreams(undefined)
    await page.locator('#banner').waitFor({ state: 'hidden' })
    await waitForText(page, '#live', /behind/)
  })

  it('is counted down at the log-in', async () => {
    const page = await open(LOCKED)
    await page.locator('#login').waitFor()
    scene.api.options = { ...LOCKED, status: 429, retryAfterSeconds: 3 }
    await logIn(page, KEY)
    await waitForText(page, '#login-error', /Try again in 2 s/)
    expect(await page.locator('#login-send').isDisabled()).toBe(true)
    scene.api.options = LOCKED
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
      const { page, complaints } = await openPage(scene.browser)
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
