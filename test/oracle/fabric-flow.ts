import { CountersTable } from '../support/counters-table.ts'
import { type Program, startProgram } from '../support/programs.ts'
import { type RecordedCounters, recordCounters } from '../support/recorded-counters.ts'
import { freePort } from '../support/servers.ts'
import { compareStored, type StoredCells } from '../support/stored-counters.ts'

const PORTS = 128
const SIZE = ['--profile=ufm', '--switches=4', '--ports-per-switch=32', '--seed=42', '--interval-ms=1s']

/** A generator of a fabric, and a note of each snapshot that it has given: each row of it is then owed. */
export class FabricFlow {
  readonly #generator: Program
  readonly #counters: RecordedCounters

  private constructor(generator: Program, counters: RecordedCounters) {
    this.#generator = generator
    this.#counters = counters
  }

  static async open(): Promise<FabricFlow> {
    const port = await freePort()
    const generator = startProgram('generator', { args: [`--port=${port}`, '--admin-port=0', ...SIZE] })
    await generator.logged('generator answers', 30_000)
    return new FabricFlow(generator, await recordCounters(`http://127.0.0.1:${port}/counters`))
  }

  /** The target of the agent. */
  get url(): string {
    return this.#counters.url
  }

  /** The rows that were given. */
  get rows(): number {
    return PORTS * this.#counters.bodies.length
  }

  /** From now on there is nothing new. */
  hold(): Promise<void> {
    return this.#counters.hold()
  }

  compare(url: string, database: string): Promise<StoredCells> {
    const taken = this.#counters.bodies.map((body) => ({ table: new CountersTable(body) }))
    return compareStored({ url, database, measurement: 'fabric_port' }, taken)
  }

  async close(): Promise<void> {
    this.#generator.signal('SIGKILL')
    await Promise.all([this.#generator.ended, this.#counters.stop()])
  }
}
