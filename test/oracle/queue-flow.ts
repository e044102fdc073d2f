import { startProgram } from '../support/programs.ts'
import { freePort } from '../support/servers.ts'
import type { Compared, Flow, FlowPlace, Found } from './flow.ts'
import { BAD_REASON, gpuRow, isGood, storedRows } from './gpu-rows.ts'
import { Member } from './member.ts'
import { Poster } from './poster.ts'

const PARTITIONS = 2

/** A queue gateway, and senders of numbered rows as the older system's streamer posts them. */
export class QueueFlow implements Flow {
  readonly members: readonly Member[]
  readonly #gateway: Member
  readonly #poster: Poster
  readonly #fromMs: number

  private constructor(gateway: Member, poster: Poster, fromMs: number) {
    this.members = [gateway]
    this.#gateway = gateway
    this.#poster = poster
    this.#fromMs = fromMs
  }

  static async open(place: FlowPlace): Promise<QueueFlow> {
    const { gateway, port } = await startGateway(place)
    const fromMs = Date.now()
    const poster = new Poster({
      ...{ origin: `http://127.0.0.1:${port}`, writers: 8, ids: 1, pauseMs: 10 },
      postOf: ([id]) => ({
        path: `/produce?topic=telemetry&partition=${id! % PARTITIONS}`,
        body: JSON.stringify(gpuRow(id!, fromMs)),
      }),
    })
    return new QueueFlow(gateway, poster, fromMs)
  }

  get refusals(): number {
    return this.#poster.refusals
  }

  hold(): Promise<void> {
    return this.#poster.hold()
  }

  async hasSent(): Promise<boolean> {
    return hasFed(this.#gateway)
  }

  async compare(found: Found): Promise<Compared> {
    const { taken, issued } = this.#poster
    const problems = [...this.#poster.problems]
    const stored = await storedRows(found, issued, this.#fromMs, problems)
    const owed = [...taken].filter(([, { atMs, by }]) => by === 'disk' || !found.isForgiven(atMs)).map(([id]) => id)
    const isLetter = (id: number): boolean =>
      !isGood(id) && found.letters.messages.get(JSON.stringify([gpuRow(id, this.#fromMs)])) === BAD_REASON
    return {
      sent: owed.length,
      stored: owed.filter((id) => stored.has(id)).length,
      deadLetters: owed.filter(isLetter).length,
      problems,
    }
  }

  close(): Promise<void> {
    return this.#poster.close()
  }
}

/** Starts a gateway with so little room in Redis that its disk is used as soon as servers are away. */
export async function startGateway({ redis, folder }: FlowPlace): Promise<{ gateway: Member; port: number }> {
  const [port, adminPort, data] = await Promise.all([freePort(), freePort(), folder('queue')])
  const args = [
    ...[`--redis-url=${redis.url}`, `--queue-port=${port}`, `--admin-port=${adminPort}`, `--data-path=${data}`],
    ...['--agent-host=queue', '--queue-max-unacked=200'],
  ]
  const launch = () => startProgram('queue', { args })
  const gateway = new Member({ name: 'queue', adminPort, launch, atWork: 'started' })
  await gateway.start()
  return { gateway, port }
}

/** Whether nothing waits on a gateway's disk. */
export async function hasFed(gateway: Member): Promise<boolean> {
  const figures = await gateway.look()
  return figures !== undefined && (figures.get('sentinel_queue_overflow_messages') ?? 0) === 0
}
