import type { Consumer } from './consumer.ts'

/** A message that was sent to a consumer, which has not acked it. */
export interface Flight {
  readonly partition: number
  /** The id of its entry in Redis. */
  readonly entry: string
  readonly consumer: Consumer
  /** By the monotonic timer. */
  readonly sentAtMs: number
}

/** The messages of one group that are on their way, by their ids. */
export class Flights {
  readonly #byId = new Map<string, Flight>()
  /** By partition: the ids of the entries, and of which message each is. */
  readonly #entries = new Map<number, Map<string, string>>()

  get(id: string): Flight | undefined {
    return this.#byId.get(id)
  }

  hasEntry(partition: number, entry: string): boolean {
    return this.#entries.get(partition)?.has(entry) ?? false
  }

  /** Partitions with a message on its way. */
  partitions(): number[] {
    return [...this.#entries].filter(([, entries]) => entries.size > 0).map(([partition]) => partition)
  }

  /** The message goes to this consumer now, whoever had it before. */
  add(id: string, flight: Flight): void {
    this.remove(id)
    this.#byId.set(id, flight)
    flight.consumer.inFlight++
    flight.consumer.sent++
    const entries = this.#entries.get(flight.partition) ?? new Map<string, string>()
    this.#entries.set(flight.partition, entries)
    entries.set(flight.entry, id)
  }

  remove(id: string): void {
    const flight = this.#byId.get(id)
    if (flight === undefined) return
    this.#byId.delete(id)
    this.#entries.get(flight.partition)?.delete(flight.entry)
    flight.consumer.inFlight--
  }

  /** Removes those of a partition whose entry is not to be kept. */
  keepOnly(partition: number, isKept: (entry: string) => boolean): void {
    for (const [entry, id] of this.#entries.get(partition) ?? []) if (!isKept(entry)) this.remove(id)
  }

  /** Removes all that a consumer has. */
  takeOf(consumer: Consumer): Flight[] {
    return this.#take((flight) => flight.consumer === consumer)
  }

  takeAll(): Flight[] {
    return this.#take(() => true)
  }

  #take(isWanted: (flight: Flight) => boolean): Flight[] {
    const taken: Flight[] = []
    for (const [id, flight] of this.#byId) {
      if (!isWanted(flight)) continue
      taken.push(flight)
      this.remove(id)
    }
    return taken
  }
}
