import type { LedgerCounts } from '../../internal/observe/debug-metrics.ts'

/**
 * Where the samples of a comparison server are. It reads only formats with one sample a message, so it counts each
 * message as one sample.
 */
export class PlainLedger {
  messages = 0
  written = 0
  rejected = 0
  dropped = 0

  get held(): number {
    return this.messages - this.written - this.rejected - this.dropped
  }

  figures(): LedgerCounts {
    const { messages, written, rejected, dropped, held } = this
    return {
      ...{ messages, received: messages, own: 0, ownDropped: 0, takenOver: 0 },
      ...{ written, rejected, dropped, held, spooled: 0 },
      ...{ lost: 0, duplicates: 0, trimmed: 0 },
    }
  }
}
