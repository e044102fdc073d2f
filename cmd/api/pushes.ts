import type { TakeCounters } from '../../internal/api/routes/telemetry/counters.ts'
import { type Broker, BrokerError } from '../../internal/broker/broker.ts'
import { DEFAULT_FABRIC } from '../../internal/fabric/generation.ts'
import { TableError } from '../../internal/fabric/table-reader.ts'
import { HttpError } from '../../internal/http/errors.ts'
import type { Publisher } from '../../internal/publish/publisher.ts'
import { PushedRows, PushTooLarge } from '../../internal/source/fabric/pushed-rows.ts'
import { instanceOf } from '../parts/data-folder.ts'
import type { Context } from '../program/context.ts'

const RETRY_SECONDS = 5

/** Takes rows of the fabric `default` that are pushed to the API, and publishes them as an agent does. */
export function openPushes(context: Context, { snapshots }: Broker, publisher: Publisher): TakeCounters {
  const { settings, clock, releaser } = context
  const pushed = new PushedRows({
    ...{ fabric: DEFAULT_FABRIC, publisher: `api/${instanceOf(settings, 'api')}`, snapshots, clock },
    send: async (encoder, signal) => {
      publisher.send(encoder)
      await publisher.room(signal)
    },
  })
  releaser.push('pushed rows', async () => pushed.stop())
  return (table, isWhole) =>
    pushed.take(table, isWhole).catch((error: unknown) => {
      throw answerTo(error)
    })
}

function answerTo(cause: unknown): unknown {
  if (cause instanceof TableError) return new HttpError(400, `nothing of it is taken: ${cause.message}`, { cause })
  if (cause instanceof PushTooLarge) return new HttpError(413, cause.message, { cause })
  if (cause instanceof BrokerError)
    return new HttpError(503, 'the broker does not take it now', { retryAfterSeconds: RETRY_SECONDS, cause })
  return cause
}
