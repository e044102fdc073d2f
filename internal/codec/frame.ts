import type { Codec } from './codec.ts'
import { FrameDecoder } from './frame-decoder.ts'
import { FrameEncoder, restampFrame } from './frame-encoder.ts'
import { MAX_FRAME_SAMPLES } from './frame-layout.ts'

/** Many samples of any series, column by column: the format of this project's own programs. */
export const frameCodec: Codec = {
  name: 'frame',
  maxSamples: MAX_FRAME_SAMPLES,
  encoder: () => new FrameEncoder(),
  decoder: (table) => new FrameDecoder(table),
  restamp: restampFrame,
}
