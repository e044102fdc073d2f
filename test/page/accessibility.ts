import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import type { Page } from 'playwright-core'
import { SCREENS } from './browser.ts'

const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js')

/** The rules whose outcome follows from colours. */
const OF_COLOURS = ['color-contrast', 'link-in-text-block']

/**
 * What axe-core finds on all screens, one line each, and whether something reaches over the edge. The page is opened once: it gets each width and
 * each theme in turn. The second theme of a width is held against the rules of colours alone, because nothing else follows from a theme: axe takes
 * a second of CPU.
 *
 * @param show brings the page of a new width to where it shall be looked at
 */
export async function accessibilityViolations(page: Page, show?: (width: number) => Promise<void>): Promise<string[]> {
  await page.evaluate(await readFile(AXE, 'utf8'))
  const found: string[] = []
  const widths = new Set<number>()
  for (const { width, height, theme } of SCREENS) {
    await page.setViewportSize({ width, height })
    // Without motion no colour is on its way to another one.
    await page.emulateMedia({ colorScheme: theme, reducedMotion: 'reduce' })
    // The charts follow the width in the next frame.
    await page.evaluate('new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))')
    if (!widths.has(width)) await show?.(width)
    const lines = await violationsOf(page, widths.has(width) ? OF_COLOURS : undefined)
    const over = await page.evaluate<number>('document.documentElement.scrollWidth - innerWidth')
    if (over > 0) lines.push(`${over} px over the edge`)
    found.push(...lines.map((line) => `${width} px, ${theme}: ${line}`))
    widths.add(width)
  }
  return found
}

/** @param rules all by default */
function violationsOf(page: Page, rules?: readonly string[]): Promise<string[]> {
  return page.evaluate(async (only) => {
    interface Violation {
      id: string
      help: string
      nodes: { html: string; failureSummary: string }[]
    }
    const { axe } = globalThis as unknown as { axe: { run(options: object): Promise<{ violations: Violation[] }> } }
    // What passes is not described, and no style sheet is fetched again: half of the time.
    const options = { resultTypes: ['violations'], preload: false, ...(only && { runOnly: only }) }
    const { violations } = await axe.run(options)
    return violations.flatMap(({ id, help, nodes }) =>
      nodes.map(({ html, failureSummary }) => `${id}: ${help}: ${html} ${failureSummary}`),
    )
  }, rules)
}
