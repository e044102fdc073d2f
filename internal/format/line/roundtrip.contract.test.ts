import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { arbitrarySample } from '../../../test/support/arbitrary-samples.ts'
import { startInflux, type TestServer } from '../../../test/support/servers.ts'
import type { Sample } from '../../sample/sample.ts'
import { hasValue } from '../../sample/value.ts'
import { encodeLine } from './encode.ts'

let influx: TestServer
beforeAll(async () => {
  influx = await startInflux()
})
afterAll(() => influx.stop())

it('a real InfluxDB stores the samples unchanged, with any characters and numbers', async () => {
  const samples = storableTogether(fc.sample(arbitrarySample({ kinds: ['float', 'int', 'bool', 'string'] }), 1500))
  expect(samples.length).toBeGreaterThan(700)
  await post('/query', new URLSearchParams({ q: 'CREATE DATABASE roundtrip' }))
  await post('/write?db=roundtrip&precision=ns', Buffer.concat(samples.map(encodeLine)))
  // One by one: asked for several measurements at once it shows a field of one kind only.
  const measurements = new Set(samples.map((sample) => sample.series.measurement))
  const questions = [...measurements].map(
    (name) => `SELECT *::field FROM "${name.replace(/["\\]/g, '\\$&')}" GROUP BY *`,
  )
  const question = new URLSearchParams({ db: 'roundtrip', epoch: 'ns', q: questions.join(';') })
  const stored = readAnswer(await post('/query', question))
  const sent = expectedOf(samples)
  for (const key of new Set([...Object.keys(sent), ...Object.keys(stored)])) expect(stored[key], key).toEqual(sent[key])
})

/** Points by series and time, the fields of each as text that tells kind and exact value. */
type Points = Record<string, Record<string, string>>

function pointKey(measurement: string, tags: Iterable<readonly [string, string]>, timeNs: bigint): string {
  return JSON.stringify([measurement, Object.fromEntries(tags), String(timeNs)])
}

/**
 * A measurement gives each field one kind, so samples that would conflict are left out. Times are gathered into a few
 * days, but for some far ones: the database makes a shard a week.
 */
function storableTogether(samples: readonly Sample[]): Sample[] {
  const FAR = new Set([-1_000_001, -1, 0, 1, 999, 1000, 1001, 999_999, 4_102_444_800e6])
  const kinds = new Map<string, string>()
  return samples.flatMap((sample) => {
    const { series, values } = sample
    const conflicts = series.fieldNames.some((name, i) => {
      if (!hasValue(values[i])) return false
      const key = JSON.stringify([series.measurement, name])
      const kind = kinds.get(key) ?? series.fieldKinds[i]!
      kinds.set(key, kind)
      return kind !== series.fieldKinds[i]
    })
    if (conflicts || encodeLine(sample).length === 0) return []
    const at = FAR.has(sample.at) ? sample.at : 1_763_900_000e6 + (Math.abs(sample.at) % 86_400e6)
    return [{ ...sample, at }]
  })
}

function expectedOf(samples: readonly Sample[]): Points {
  const points: Points = {}
  for (const { series, values, at, tie } of samples) {
    const key = pointKey(series.measurement, series.tags, BigInt(at) * 1000n + BigInt(tie))
    const point = points[key] ?? {}
    points[key] = point
    for (const [i, name] of series.fieldNames.entries()) {
      const value = values[i]
      if (!hasValue(value)) continue
      // Integers come back digit by digit; floats as some decimal of the same double.
      point[name] =
        typeof value === 'number' && series.fieldKinds[i] === 'float' ? numeral(String(value)) : inWords(value)
    }
  }
  return points
}

function inWords(value: number | bigint | boolean | string): string {
  if (typeof value === 'string') return `"${value.toWellFormed()}"`
  return typeof value === 'boolean' ? String(value) : numeral(String(BigInt(value)))
}

/** One spelling for each number: integers by their digits, others as the double that they denote. */
function numeral(digits: string): string {
  return /^-?\d+$/.test(digits) ? String(BigInt(digits)) : String(Number(digits))
}

interface Answer {
  results: Array<{
    series?: Array<{ name: string; tags?: Record<string, string>; columns: string[]; values: Cell[][] }>
  }>
}
type Cell = { digits: string } | string | boolean | null

/** Reads the answer without passing its integers through doubles: every number becomes an object with its digits. */
function readAnswer(text: string): Points {
  const tokens = /"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*/g
  const answer: Answer = JSON.parse(
    text.replace(tokens, (token) => (token[0] === '"' ? token : `{"digits":"${token}"}`)),
  )
  const points: Points = {}
  for (const series of answer.results.flatMap((result) => result.series ?? [])) {
    const tags = Object.entries(series.tags ?? {}).filter(([, value]) => value !== '')
    for (const row of series.values) {
      const [time] = row
      if (time === null || typeof time !== 'object') throw new Error(`no time: ${JSON.stringify(row)}`)
      const point: Record<string, string> = {}
      points[pointKey(series.name, tags, BigInt(time.digits))] = point
      for (const [i, cell] of row.entries()) {
        if (i === 0 || cell === null) continue
        point[series.columns[i]!] = typeof cell === 'object' ? numeral(cell.digits) : inWords(cell)
      }
    }
  }
  return points
}

async function post(path: string, body: URLSearchParams | Buffer): Promise<string> {
  const response = await fetch(influx.url + path, { method: 'POST', body })
  const text = await response.text()
  if (!response.ok) throw new Error(`${response.status}: ${text}`)
  return text
}
