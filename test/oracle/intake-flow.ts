import { startProgram } from '../support/programs.ts'
import { freePort } from '../support/servers.ts'
import type { Compared, Flow, FlowPlace, Found } from './flow.ts'
import { INTAKE_BODIES, type IntakeBody } from './intake-bodies.ts'
import { MEASUREMENT } from './intake-lines.ts'
import { Member } from './member.ts'
import { Poster } from './poster.ts'

/** The intake of an API, and senders of numbered lines or readings. */
export class IntakeFlow implements Flow {
  readonly members: readonly Member[]
  readonly #api: Member
  readonly #poster: Poster
  readonly #body: IntakeBody
  readonly #fromMs: number

  private constructor(api: Member, poster: Poster, body: IntakeBody, fromMs: number) {
    this.members = [api]
    this.#api = api
    this.#poster = poster
    this.#body = body
    this.#fromMs = fromMs
  }

  static async open({ broker, redis, folder }: FlowPlace, kind: keyof typeof INTAKE_BODIES): Promise<IntakeFlow> {
    const body: IntakeBody = INTAKE_BODIES[kind]
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
      postOf: (ids) => body.post(ids, fromMs),
    })
    return new IntakeFlow(api, poster, body, fromMs)
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

  async compare(found: Found): Promise<Compared> {
    const { taken, issued } = this.#poster
    const problems = [...this.#poster.problems]
    const stored = await this.#body.stored(found, issued, this.#fromMs, problems)
    const inLetters = new Set(
      found.letters.others.flatMap((line) =>
        line.startsWith(`${MEASUREMENT},`) ? [/ id=(\d+)i/.exec(line)?.[1]] : [],
      ),
    )
    const owed = [...taken]
      .filter(([id, { atMs, by }]) => this.#body.isGood(id) && (by === 'disk' || !found.isForgiven(atMs)))
      .map(([id]) => id)
    const isStored = owed.filter((id) => stored.has(id)).length
    const deadLetters = owed.filter((id) => !stored.has(id) && inLetters.has(`${id}`)).length
    return { sent: owed.length, stored: isStored, deadLetters, problems }
  }

  close(): Promise<void> {
    return this.#poster.close()
  }
}
