import { influxQuery } from '../support/influx.ts'
import { startProgram } from '../support/programs.ts'
import { freePort } from '../support/servers.ts'
import type { Compared, Flow, FlowPlace, Found } from './flow.ts'
import { Member } from './member.ts'
import { Poster } from './poster.ts'
import { payloadOf } from './samples.ts'

const MEASUREMENT = 'intake'
const ROWS_A_QUERY = 20_000

/** The intake of an API, and senders of numbered lines. */
export class IntakeFlow implements Flow {
  readonly members: readonly Member[]
  readonly #api: Member
  readonly #poster: Poster
  readonly #fromMs: number

  private constructor(api: Member, poster: Poster, fromMs: number) {
    this.members = [api]
    this.#api = api
    this.#poster = poster
    this.#fromMs = fromMs
  }

  static async open({ broker, redis, folder }: FlowPlace): Promise<IntakeFlow> {
    const [port, adminPort, data] = await Promise.all([freePort(), freePort(), folder('api')])
    const args = [
      ...[`--broker-kind=${broker}`, `--redis-url=${redis.url}`, `--api-port=${port}`, `--admin-port=${adminPort}`],
      ...[`--data-path=${data}`, '--agent-host=api', '--intake-requests-per-minute=1000000'],
    ]
    const launch = () => startProgram('api', { args })
    const api = new Member({ name: 'api', adminPort, launch, atWork: 'api listens' })
    await api.start()
    const fromMs = Date.now()
    const poster = new Poster({
      ...{ origin: `http://127.0.0.1:${port}`, writers: 4, ids: 20, pauseMs: 20 },
      postOf: (ids) => ({ path: '/api/v2/write?precision=us', body: ids.map((id) => lineOf(id, fromMs)).join('\n') }),
    })
    return new IntakeFlow(api, poster, fromMs)
  }

  get refusals(): number {
    return this.#poster.refusals
  }

  hold(): Promise<void> {
    return this.#poster.hold()
  }

  async hasSent(): Promise<boolean> {
    return (await this.#api.look())?.get('sentinel_outbox_samples') === 0
  }

  async compare({ url, database, letters, isForgiven }: Found): Promise<Compared> {
    const { taken, issued } = this.#poster
    const problems = [...this.#poster.problems]
    const stored = await this.#stored(url, database, issued, problems)
    const inLetters = new Set(
      letters.others.flatMap((line) => (line.startsWith(`${MEASUREMENT},`) ? [/ id=(\d+)i/.exec(line)?.[1]] : [])),
    )
    const owed = [...taken].filter(([, { atMs, by }]) => by === 'disk' || !isForgiven(atMs)).map(([id]) => id)
    const isStored = owed.filter((id) => stored.has(id)).length
    const deadLetters = owed.filter((id) => !stored.has(id) && inLetters.has(`${id}`)).length
    return { sent: owed.length, stored: isStored, deadLetters, problems }
  }

  close(): Promise<void> {
    return this.#poster.close()
  }

  async #stored(url: string, database: string, issued: number, problems: string[]): Promise<Set<number>> {
    const stored = new Set<number>()
    let [found, wrong] = [0, 0]
    for (let from = 0; from < issued; from += ROWS_A_QUERY) {
      const [startUs, endUs] = [from, Math.min(from + ROWS_A_QUERY, issued)].map((id) => this.#fromMs * 1000 + id)
      const where = `time >= ${startUs}u AND time < ${endUs}u`
      const rows = await influxQuery(url, database, `SELECT * FROM ${MEASUREMENT} WHERE ${where}`)
      found += rows.length
      for (const row of rows) {
        const id = Number(row.time) - this.#fromMs * 1000
        const { value, count, text } = payloadOf(id)
        const expected: Record<string, unknown> = { id, value, count, text, sender: senderOf(id) }
        if (Object.entries(expected).every(([column, is]) => row[column] === is)) stored.add(id)
        else if (wrong++ === 0) problems.push(`stored, but not as it was posted: ${JSON.stringify(row)}`)
      }
    }
    if (wrong > 1) problems.push(`${wrong} lines in all are not as they were posted`)
    const [row] = await influxQuery(url, database, `SELECT count(id) FROM ${MEASUREMENT}`)
    const all = Number(row?.count ?? 0)
    if (all !== found) problems.push(`${all - found} points of the intake were never posted`)
    return stored
  }
}

/** The n-th line has the n-th microsecond from the start on. */
function lineOf(id: number, fromMs: number): string {
  const { value, count, text } = payloadOf(id)
  const quoted = text.replace(/[\\"]/g, '\\$&')
  const fields = `id=${id}i,value=${value},count=${count}i,text="${quoted}"`
  return `${MEASUREMENT},sender=${senderOf(id)} ${fields} ${fromMs * 1000 + id}`
}

function senderOf(id: number): string {
  return `s${id % 5}`
}
