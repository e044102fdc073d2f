import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll } from 'vitest'
import { openPage, SCREENS, startBrowser } from './browser.ts'
import { FakeApi, type FakeApiOptions } from './fake-api.ts'

/** The pages of one test file: one browser for all of its tests, and for each test an API of its own. */
export class Scene {
  browser!: Browser
  #api: FakeApi | undefined
  /** Warnings and errors of the browser, of the page that was opened last. */
  complaints: readonly string[] = []

  constructor() {
    beforeAll(async () => {
      this.browser = await startBrowser()
    })
    afterEach(async () => {
      await Promise.all(this.browser.contexts().map((context) => context.close()))
      await this.#api?.stop()
      this.#api = undefined
    })
    afterAll(() => this.browser.close())
  }

  get api(): FakeApi {
    if (this.#api === undefined) throw new Error('no page is open')
    return this.#api
  }

  /** Opens the page of an API of this kind. */
  async open(options: FakeApiOptions, query = '', screen = SCREENS[0]!): Promise<Page> {
    const page = await this.blank(options, screen)
    await page.goto(`${this.api.url}/${query}`)
    return page
  }

  /** The same, before the page is asked for. */
  async blank(options: FakeApiOptions, screen = SCREENS[0]!): Promise<Page> {
    this.#api = await FakeApi.start(options)
    const { page, complaints } = await openPage(this.browser, screen)
    this.complaints = complaints
    return page
  }
}

/** Waits until something visible has this text. */
export const waitForText = (page: Page, selector: string, text: string | RegExp): Promise<void> =>
  page.locator(selector).filter({ hasText: text, visible: true }).first().waitFor()

export const queryOf = (page: Page): URLSearchParams => new URL(page.url()).searchParams
