import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core'
import { findProgram } from '../support/servers.ts'

const QUIET = ['gpu', 'quic', 'background-networking', 'component-update', 'sync'].map((name) => `--disable-${name}`)

/** Debian's Chromium without a window. */
export function startBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: findProgram('chromium', 'chromium'),
    args: ['--no-sandbox', '--no-first-run', ...QUIET],
  })
}

export interface Screen {
  readonly width: number
  readonly height: number
  readonly theme: 'light' | 'dark'
}

export const SCREENS: readonly Screen[] = [
  { width: 1440, height: 900, theme: 'light' },
  { width: 1440, height: 900, theme: 'dark' },
  { width: 390, height: 844, theme: 'light' },
  { width: 390, height: 844, theme: 'dark' },
]

/** Opens a page in a context of its own, with its own `localStorage`. `complaints` collects the warnings and errors of the browser. */
export async function openPage(
  browser: Browser,
  screen: Screen = SCREENS[0]!,
  options: { bypassCSP?: boolean; ignoreHTTPSErrors?: boolean } = {},
): Promise<{ page: Page; context: BrowserContext; complaints: string[] }> {
  const context = await browser.newContext({
    viewport: { width: screen.width, height: screen.height },
    colorScheme: screen.theme,
    ...options,
  })
  const page = await context.newPage()
  const complaints: string[] = []
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text())
  })
  page.on('pageerror', (error) => complaints.push(String(error)))
  return { page, context, complaints }
}
