import { once } from 'node:events'
import { Worker } from 'node:worker_threads'

export interface FloodOptions {
  readonly port: number
  readonly channel: string
  readonly messageBytes: number
  readonly bytesPerSecond: number
}

/** Publishes from a thread of its own, so that a subscriber of this thread does not hold it up by being busy. */
export function flood(options: FloodOptions): { readonly worker: Worker; stop(): Promise<number> } {
  const worker = new Worker(new URL('flood-worker.mjs', import.meta.url), { workerData: options })
  return {
    worker,
    /** @returns how many subscribers Redis promised, of all messages together */
    async stop() {
      worker.postMessage('stop')
      const [promised] = (await once(worker, 'message')) as [number]
      return promised
    },
  }
}
