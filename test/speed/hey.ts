import { execFile } from 'node:child_process'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { lookUpProgram } from '../../bench/stack/find-programs.ts'
import { median } from '../bench/median.ts'
import { until } from '../support/servers.ts'
import { withFabric } from './fabric-stack.ts'
import { rawAnswerOf, startBare } from './plain-servers.ts'
import type { Context, Figure, Outcome, Row } from './row.ts'
import { FROM_ELSEWHERE } from './side-by-side.ts'
import { GET_METRIC, LIST_METRICS } from './telemetry.ts'

const REQUESTS = 50_000
const CONNECTIONS = 50
const TURNS = 3
const INTERVAL_MS = 1_000
/** What `hey` asks for unless told otherwise. */
const ITS_ENCODING = { 'accept-encoding': 'gzip' }

/** What a Go ingester answered on two such cores: requests a second, of 100 switches, and ms. */
const TO_BEAT = { GetMetric: { rate: 13_557, p99Ms: 8.9 }, ListMetrics: { rate: 2_533, p99Ms: 29.8 } }
type Name = keyof typeof TO_BEAT
const PATHS: Readonly<Record<Name, string>> = { GetMetric: GET_METRIC, ListMetrics: LIST_METRICS }

export const hey50 = rowOf(50)
export const hey100 = rowOf(100)

function rowOf(switches: number): Row {
  const id = `hey-${switches}`
  return {
    id,
    page: 'fabric',
    what: `GetMetric and ListMetrics of ${switches} switches by \`hey -n ${REQUESTS} -c ${CONNECTIONS}\`, through a proxy and with its limits counted, while a cycle a second goes through the whole pipeline; beside a bare node:http that answers the same headers and bytes to the same call`,
    command: `npm run speed -- --rows ${id}`,
    figures: figuresOf('GetMetric').concat(figuresOf('ListMetrics')),
    run: (context) => {
      const program = findHey()
      return withFabric(
        { generator: [`--switches=${switches}`, `--interval-ms=${INTERVAL_MS}`] },
        context,
        async (stack) => {
          const api = await stack.startApi()
          await stack.startAgent(INTERVAL_MS)
          await until('the fabric shows', async () => (await fetch(api.url + LIST_METRICS)).ok)
          const ask = (name: Name): Promise<Readonly<Record<string, number>>> => {
            context.say(`${name} of ${switches} switches`)
            return beside(program, name, api.url + PATHS[name], context)
          }
          return { figures: { ...(await ask('GetMetric')), ...(await ask('ListMetrics')) } } satisfies Outcome
        },
      )
    },
  }
}

function figuresOf(name: Name): Figure[] {
  const { rate, p99Ms } = TO_BEAT[name]
  return [
    { name: `${name} beside bare`, unit: '×', decimals: 3, reach: { atLeast: 0.6 } },
    { name, unit: 'requests/s', decimals: 0, reach: { atLeast: rate } },
    { name: `${name} p99`, unit: 'ms', decimals: 1, reach: { atMost: p99Ms } },
    { name: `${name}, bare`, unit: 'requests/s', decimals: 0 },
    { name: `${name} p99, bare`, unit: 'ms', decimals: 1 },
  ]
}

async function beside(
  program: string,
  name: Name,
  url: string,
  { signal }: Context,
): Promise<Readonly<Record<string, number>>> {
  const bare = await startBare(await rawAnswerOf(url, ITS_ENCODING), signal)
  try {
    const turns: Array<{ ours: Heard; bare: Heard }> = []
    for (let turn = 0; turn < TURNS; turn++) {
      const ours = await hey(program, url, signal)
      turns.push({ ours, bare: await hey(program, bare.url, signal) })
    }
    return {
      [`${name} beside bare`]: median(turns.map((turn) => turn.ours.rate / turn.bare.rate)),
      [name]: median(turns.map((turn) => turn.ours.rate)),
      [`${name} p99`]: median(turns.map((turn) => turn.ours.p99Ms)),
      [`${name}, bare`]: median(turns.map((turn) => turn.bare.rate)),
      [`${name} p99, bare`]: median(turns.map((turn) => turn.bare.p99Ms)),
    }
  } finally {
    await bare.stop()
  }
}

interface Heard {
  readonly rate: number
  readonly p99Ms: number
}

/** @throws Error where an answer was none of 200 */
async function hey(program: string, url: string, signal: AbortSignal): Promise<Heard> {
  const args = ['-n', `${REQUESTS}`, '-c', `${CONNECTIONS}`, '-H', FROM_ELSEWHERE, url]
  const { stdout } = await promisify(execFile)(program, args, { signal })
  return heardIn(stdout)
}

/** What `hey` found. @throws Error where an answer was none of 200, or it says nothing that is known */
export function heardIn(text: string): Heard {
  const numberOf = (pattern: RegExp): number => Number(pattern.exec(text)?.[1])
  const good = numberOf(/^\s*\[200\]\s+(\d+) responses/m)
  const found = {
    rate: numberOf(/^\s*Requests\/sec:\s+([\d.]+)/m),
    p99Ms: numberOf(/^\s*99%+ in ([\d.]+) secs/m) * 1000,
  }
  if (good !== REQUESTS || !(found.rate > 0 && found.p99Ms > 0)) throw new Error(`not an answer to measure:\n${text}`)
  return found
}

/** @throws Error that says how to install it */
function findHey(): string {
  const { PATH = '', GOPATH = join(homedir(), 'go') } = process.env
  const path = lookUpProgram('hey', `${PATH}:${join(GOPATH, 'bin')}`)
  if (path !== undefined) return path
  throw new Error('hey is missing: go install github.com/rakyll/hey@latest')
}
