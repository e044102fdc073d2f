import fc from 'fast-check'
import { arbitraryStats } from '../../test/support/stats-samples.ts'
import { ARRIVAL, codecContract } from './codec.contract.ts'
import { blankHeader } from './codec.ts'
import { packedCodec } from './packed.ts'

codecContract({
  codec: packedCodec,
  samples: arbitraryStats({ host: fc.constant(''), tie: ARRIVAL.tie }),
  seen: blankHeader,
})
