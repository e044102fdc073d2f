/** Takes the bytes for a client, such as a ServerResponse. */
export interface ConsumerSink {
  /** @returns false when the bytes wait in memory: write no more until `drained` */
  write(text: string): boolean
  end(): void
}

export interface ConsumerOptions {
  readonly name: string
  /** The one that it wants; undefined for all. */
  readonly partition: number | undefined
  /** Messages that it may have without an ack. */
  readonly maxInFlight: () => number
  readonly sink: ConsumerSink
}

/** A client that is connected, and gets messages of one or all partitions of a topic. */
export class Consumer {
  readonly name: string
  readonly partition: number | undefined
  /** Messages sent to it that it has not acked. */
  inFlight = 0
  sent = 0
  /** Whether its connection takes bytes. */
  #isDrained = true
  /** Whether it has as much as it may: it gets more when it has acked half of that. */
  #isFull = false
  readonly #options: ConsumerOptions

  constructor(options: ConsumerOptions) {
    this.#options = options
    this.name = options.name
    this.partition = options.partition
  }

  /** How many messages it may be sent now. */
  get room(): number {
    const most = this.#options.maxInFlight()
    if (this.inFlight >= most) this.#isFull = true
    else if (this.inFlight <= most / 2) this.#isFull = false
    return this.#isDrained && !this.#isFull ? most - this.inFlight : 0
  }

  get isDrained(): boolean {
    return this.#isDrained
  }

  wants(partition: number): boolean {
    return this.partition === undefined || this.partition === partition
  }

  write(text: string): void {
    if (!this.#options.sink.write(text)) this.#isDrained = false
  }

  /** Its connection has passed on what waited. */
  drained(): void {
    this.#isDrained = true
  }

  end(): void {
    this.#options.sink.end()
  }
}
