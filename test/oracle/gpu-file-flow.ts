import { appendFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { startProgram } from '../support/programs.ts'
import { freePort, sleep } from '../support/servers.ts'
import type { Compared, Flow, FlowPlace, Found } from './flow.ts'
import { listLetters } from './dead-letters.ts'
import { BAD_REASON, badValue, csvLine, gpuRow, HEADER, isGood, storedRows } from './gpu-rows.ts'
import { Member } from './member.ts'
import { hasFed, startGateway } from './queue-flow.ts'

const HOST = 'gpu'
const APPEND_MS = 20
const ROWS_AT_ONCE = 24

/** A file that grows, and an agent that reads it: each whole row is owed, whatever becomes of the agent meanwhile; those without a value as dead letters. */
export class GpuFileFlow implements Flow {
  readonly members: readonly Member[]
  readonly refusals = 0
  readonly #agent: Member
  readonly #gateway: Member | undefined
  readonly #path: string
  readonly #fromMs = Date.now()
  #rows = 0
  #isHeld = false
  #growing: Promise<void> = Promise.resolve()

  private constructor(path: string, agent: Member, gateway: Member | undefined) {
    this.#path = path
    this.#agent = agent
    this.#gateway = gateway
    this.members = gateway === undefined ? [agent] : [agent, gateway]
  }

  /** @param throughQueue whether the agent publishes through a gateway */
  static async open(place: FlowPlace, throughQueue: boolean): Promise<GpuFileFlow> {
    const queue = throughQueue ? await startGateway(place) : undefined
    const { broker, redis } = place
    const [adminPort, data] = await Promise.all([freePort(), place.folder('gpu')])
    const path = join(data, 'gpus.csv')
    await writeFile(path, `${HEADER}\n`)
    const through =
      queue === undefined
        ? [`--broker-kind=${broker}`, `--redis-url=${redis.url}`]
        : ['--broker-use-http', `--broker-http-url=127.0.0.1:${queue.port}`]
    const args = [
      ...[...through, `--agent-host=${HOST}`, '--agent-interval-ms=1h', `--admin-port=${adminPort}`],
      ...[`--data-path=${data}`, `--gpu=${path}`],
    ]
    const launch = () => startProgram('agent', { args })
    const agent = new Member({ name: 'gpu', adminPort, launch, atWork: 'files of GPU readings are read' })
    await agent.start()
    const flow = new GpuFileFlow(path, agent, queue?.gateway)
    flow.#growing = flow.#grow()
    return flow
  }

  async hold(): Promise<void> {
    this.#isHeld = true
    await this.#growing
  }

  async hasSent(): Promise<boolean> {
    const figures = await this.#agent.look()
    const isZero = (name: string): boolean => figures?.get(name) === 0
    if (!isZero('sentinel_gpu_csv_unread_bytes') || !isZero('sentinel_outbox_samples')) return false
    return this.#gateway === undefined || hasFed(this.#gateway)
  }

  async compare(found: Found): Promise<Compared> {
    const problems: string[] = []
    const stored = await storedRows(found, this.#rows, this.#fromMs, problems)
    const letters = await listLetters(`--data-path=${dirname(this.#path)}`, `--agent-host=${HOST}`)
    const kept = letters.filter(({ reason }) => reason === BAD_REASON).map(({ payload = '' }) => payload)
    const bad = Array.from({ length: this.#rows }, (_, id) => id).filter((id) => !isGood(id))
    const deadLetters = bad.filter((id) => kept.some((payload) => payload.includes(`"${badValue(id)}"`))).length
    return { sent: this.#rows, stored: stored.size, deadLetters, problems }
  }

  close(): Promise<void> {
    return this.hold()
  }

  async #grow(): Promise<void> {
    while (!this.#isHeld) {
      const rows = Array.from({ length: ROWS_AT_ONCE }, (_, i) => csvLine(gpuRow(this.#rows + i, this.#fromMs)))
      await appendFile(this.#path, rows.join(''))
      this.#rows += ROWS_AT_ONCE
      await sleep(APPEND_MS)
    }
    // What was looked at last is then all that there is.
    await sleep(1000)
  }
}
