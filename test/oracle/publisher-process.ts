import { connectBroker } from '../../cmd/parts/broker.ts'
import { openPublisher } from '../../cmd/parts/publisher.ts'
import { main, roleCommand } from '../../cmd/program/program.ts'
import { ROLES } from '../../cmd/program/roles.ts'
import type { Broker } from '../../internal/broker/broker.ts'
import type { Decoder } from '../../internal/codec/codec.ts'
import { frameCodec } from '../../internal/codec/frame.ts'
import { SeriesTable } from '../../internal/sample/series.ts'
import { ObligationLog } from './obligations.ts'
import { IDS_A_LIFE, SampleMaker } from './samples.ts'

const TICK_MS = 5

/**
 * An agent that makes numbered samples instead of measuring. Everything else is the agent's own: settings, broker,
 * publisher, outbox on disk, admin listener, signals, closing line. It notes which samples it makes and what became of
 * them. At SIGUSR2 it stops making samples.
 */
const command = roleCommand({
  ...ROLES.agent,
  description: 'Publishes samples whose content follows from their number, and notes what became of them.',
  examples: [],
  async open(context) {
    const { ORACLE_LIFE, ORACLE_LOG, ORACLE_SOURCE, ORACLE_MESSAGES_PER_SECOND, ORACLE_SAMPLES_A_MESSAGE } = process.env
    const life = Number(ORACLE_LIFE)
    const samplesAMessage = Number(ORACLE_SAMPLES_A_MESSAGE)
    const spacingUs = Math.floor(1e6 / (Number(ORACLE_MESSAGES_PER_SECOND) * samplesAMessage))
    const broker = await connectBroker(context)
    const baseUs = context.clock.now()
    const log = new ObligationLog(ORACLE_LOG ?? '', life, baseUs, spacingUs)
    const { publisher, ledger } = await openPublisher(context, noting(broker, log), 'agent')
    const maker = new SampleMaker(new SeriesTable(), ORACLE_SOURCE ?? '')
    let issued = 0

    const tick = (): void => {
      const due = Math.floor((context.clock.now() - baseUs) / spacingUs)
      while (issued + samplesAMessage <= due) {
        log.issued(life * IDS_A_LIFE + issued, samplesAMessage)
        for (let i = 0; i < samplesAMessage; i++) {
          const id = life * IDS_A_LIFE + issued
          publisher.add(maker.sample(id, baseUs + issued * spacingUs))
          issued++
        }
        publisher.flush()
      }
    }
    const ticking = setInterval(tick, TICK_MS)
    const endTicks = (): void => clearInterval(ticking)
    process.on('SIGUSR2', endTicks)
    context.releaser.push('ticks', async () => endTicks())
    context.summary.push(() => ({
      agent_produced: ledger.produced,
      agent_taken_over: ledger.takenOver,
      agent_sent: ledger.sent,
      agent_dropped: ledger.dropped,
      agent_held: ledger.held,
    }))
    context.logger.info({ life }, 'publishes')
  },
})

/** The same broker, which also notes the outcome of each message. */
function noting(broker: Broker, log: ObligationLog): Broker {
  const decoder = frameCodec.decoder(new SeriesTable())
  const publish = async (key: string, payload: Buffer): Promise<number> => {
    const { firstId, count } = idsIn(decoder, payload)
    let receivers = 0
    try {
      receivers = await broker.publish(key, payload)
      return receivers
    } finally {
      if (count > 0) {
        if (receivers > 0) log.taken(firstId, count)
        else log.kept(firstId, count)
      }
    }
  }
  return new Proxy(broker, {
    get: (target, name) => {
      if (name === 'publish') return publish
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

function idsIn(decoder: Decoder, payload: Buffer): { firstId: number; count: number } {
  let [firstId, count] = [Number.POSITIVE_INFINITY, 0]
  const refusal = decoder.decode(payload, { receivedAt: 0, tie: 0 }, ({ values: [id] }) => {
    firstId = Math.min(firstId, Number(id))
    count++
  })
  if (refusal !== undefined) throw new Error(`the publisher made a message that cannot be read: ${refusal.detail}`)
  return { firstId, count }
}

await main(command)
