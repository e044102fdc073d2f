import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { packageFolder } from '../../internal/observe/package-folder.ts'
import { readFlame } from './flame.ts'
import { type PassFlames, pageData } from './page-data.ts'
import { published } from './published.ts'
import type { Pass, Report } from './report.ts'

/** The text before the data in the page's template (bench/page, built into one file by scripts/build-web.mjs). */
const BEFORE_DATA = '<script type="application/json" id="data">'

/**
 * Writes `report.json` and `report.html` into a folder. The page loads no other file. Both may be published: passwords
 * and the path of the user's home are removed.
 *
 * @param report the paths of its profiles as this process can open them
 * @param templatePath of the page
 * @returns the paths of both
 * @throws if a profile cannot be read, or the template is not built; report.json is written before
 */
export async function writeReport(
  report: Report,
  folder: string,
  templatePath: string = join(packageFolder(), 'dist/report/template.html'),
): Promise<{ html: string; json: string }> {
  const [html, json] = [join(folder, 'report.html'), join(folder, 'report.json')]
  await mkdir(folder, { recursive: true })
  const passes = report.passes.map((pass) => seenFrom(folder, pass))
  const shown = published({ ...report, passes })
  await writeFile(json, jsonOf(shown))
  const flames = await Promise.all(report.passes.map(flamesOf))
  await writeFile(html, fill(await readFile(templatePath, 'utf8'), pageData(shown, flames)))
  return { html, json }
}

/**
 * Indented, so that people can read it. Histogram buckets stay on one line: a line for each number would make up most
 * of the file.
 */
function jsonOf(report: Report): string {
  const text = JSON.stringify(report, undefined, 2)
  return `${text.replace(/(?<="buckets": )\[[\s\d,[\]]*\]/g, (buckets) => buckets.replaceAll(/\s+/g, ''))}\n`
}

/** Puts the data into the template, escaped so that no string in it can end its element. */
export function fill(template: string, data: unknown): string {
  const text = JSON.stringify(data).replaceAll('<', '\\u003c')
  return template.replace(`${BEFORE_DATA}null`, () => `${BEFORE_DATA}${text}`)
}

function seenFrom(folder: string, { profiles: { cpu, heap }, histograms, ...pass }: Pass): Pass {
  const seen = (path: string): string => relative(folder, path)
  return {
    ...pass,
    profiles: { cpu: cpu && seen(cpu), heap: heap.map(seen) },
    histograms: histograms && {
      log: seen(histograms.log),
      internal: seen(histograms.internal),
      e2e: seen(histograms.e2e),
      durable: seen(histograms.durable),
    },
  }
}

async function flamesOf({ profiles: { cpu, heap } }: Pass): Promise<PassFlames> {
  return {
    cpu: cpu === undefined ? undefined : await readFlame(cpu, 'cpu/nanoseconds'),
    allocations: heap[0] === undefined ? undefined : await readFlame(heap[0], 'alloc_space/bytes'),
  }
}
