import fc from 'fast-check'
import { arbitraryStats } from '../../test/support/stats-samples.ts'
import { ARRIVAL, codecContract } from './codec.contract.ts'
import { jsonCodec } from './json.ts'

const hosts = fc.oneof(
  fc.constantFrom('', 'web-01', 'é🚀', 'a "b" \\ c'),
  fc.string({ unit: 'grapheme', maxLength: 20 }),
)

codecContract({
  codec: jsonCodec,
  samples: arbitraryStats({ host: hosts, tie: ARRIVAL.tie }),
  seen: (header) => ({ ...header, firstSample: header.seq, heldFrom: header.seq }),
})
