import { CountersTable } from '../support/counters-table.ts'
import { type Program, startProgram } from '../support/programs.ts'
import { type RecordedCounters, recordCounters } from '../support/recorded-counters.ts'
import { freePort } from '../support/servers.ts'
import { compareStored } from '../support/stored-counters.ts'
import type { Compared, Flow, FlowPlace, Found } from './flow.ts'
import { Member } from './member.ts'

const PORTS = 128
const SIZE = ['--profile=ufm', '--switches=4', '--ports-per-switch=32', '--seed=42', '--interval-ms=1s']

/**
 * A generator of a fabric, and an agent that asks it twice a second, with a note of each snapshot that it was given:
 * each row of it is then owed.
 */
export class FabricFlow implements Flow {
  readonly members: readonly Member[]
  readonly refusals = 0
  readonly #agent: Member
  readonly #generator: Program
  readonly #counters: RecordedCounters

  private constructor(agent: Member, generator: Program, counters: RecordedCounters) {
    this.members = [agent]
    this.#agent = agent
    this.#generator = generator
    this.#counters = counters
  }

  static async open({ broker, redis, folder }: FlowPlace): Promise<FabricFlow> {
    const port = await freePort()
    const generator = startProgram('generator', { args: [`--port=${port}`, '--admin-port=0', ...SIZE] })
    await generator.logged('generator answers', 30_000)
    const counters = await recordCounters(`http://127.0.0.1:${port}/counters`)
    const [adminPort, data] = await Promise.all([freePort(), folder('agent')])
    const args = [
      ...[`--broker-kind=${broker}`, `--redis-url=${redis.url}`, '--agent-host=agent', `--admin-port=${adminPort}`],
      ...[`--data-path=${data}`, `--fabric-targets=${counters.url}`, '--fabric-interval-ms=500ms'],
    ]
    const launch = () => startProgram('agent', { args })
    const agent = new Member({ name: 'agent', adminPort, launch, atWork: 'agent measures' })
    await agent.start()
    return new FabricFlow(agent, generator, counters)
  }

  hold(): Promise<void> {
    return this.#counters.hold()
  }

  async hasSent(): Promise<boolean> {
    const figures = await this.#agent.look()
    const rows = PORTS * this.#counters.bodies.length
    return figures?.get('sentinel_source_rows_total') === rows && figures.get('sentinel_outbox_samples') === 0
  }

  async compare({ url, database }: Found): Promise<Compared> {
    const taken = this.#counters.bodies.map((body) => ({ table: new CountersTable(body) }))
    const { rows, stored, problems } = await compareStored({ url, database, measurement: 'fabric_port' }, taken)
    return { sent: rows, stored, deadLetters: 0, problems }
  }

  async close(): Promise<void> {
    this.#generator.signal('SIGKILL')
    await Promise.all([this.#generator.ended, this.#counters.stop()])
  }
}
