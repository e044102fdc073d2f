import { arbitrarySample } from '../../test/support/arbitrary-samples.ts'
import { encodeLine } from '../line/encode.ts'
import { codecContract } from './codec.contract.ts'
import { frameCodec } from './frame.ts'

codecContract({
  codec: frameCodec,
  samples: arbitrarySample().filter((sample) => encodeLine(sample) !== ''),
  seen: (header) => header,
})
