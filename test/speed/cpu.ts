import { countText } from '../../internal/text/count.ts'
import { cpuUsPerMessage, withScene } from './play.ts'
import type { Outcome, Row } from './row.ts'

/** How often the two take turns, so that what disturbs the machine disturbs both. */
const TURNS = 3

/** 4.0 µs is what the server of the Go system takes at 25,000/s, beside 4.3 to 4.9 µs of the bare subscriber. */
export const cpu25 = rowOf(25_000, 0.7)
export const cpu100 = rowOf(100_000, 2)

/** @param most of ours beside the bare one */
function rowOf(ratePerSecond: number, most: number): Row {
  const id = `cpu-${ratePerSecond / 1000}k`
  return {
    id,
    page: 'speed',
    what: `CPU of the server for a Packed message at ${countText(ratePerSecond)}/s, beside that of a bare ioredis subscriber that only counts`,
    command: `npm run speed -- --rows ${id}`,
    figures: [
      { name: 'beside bare', unit: '×', decimals: 2, reach: { atMost: most } },
      { name: 'server', unit: 'µs/message', decimals: 2 },
      { name: 'bare', unit: 'µs/message', decimals: 2 },
    ],
    samples: ({ seconds }) => ratePerSecond * seconds,
    // A stack each, both up all the time: what nobody uses costs nothing to speak of.
    run: (context) =>
      withScene({ pipeline: 'ours', broker: 'pubsub', serverCount: 1 }, context, (ours) =>
        withScene({ pipeline: 'bare', broker: 'pubsub', serverCount: 1 }, context, async (bare): Promise<Outcome> => {
          const load = {
            format: 'packed',
            ratePerSecond,
            durationMs: (context.settings.seconds * 1000) / TURNS,
          } as const
          let [ofOurs, ofBare] = [0, 0]
          for (let turn = 0; turn < TURNS; turn++) {
            ofOurs += cpuUsPerMessage(await ours.play(load)) / TURNS
            ofBare += cpuUsPerMessage(await bare.play(load)) / TURNS
          }
          return {
            figures: { 'beside bare': ofOurs / ofBare, server: ofOurs, bare: ofBare },
            versions: ours.stack.versions,
          }
        }),
      ),
  }
}
