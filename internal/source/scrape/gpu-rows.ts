import type { FrameRowEncoder } from '../../codec/frame-rows.ts'
import type { Sample } from '../../sample/sample.ts'
import { hasValue } from '../../sample/value.ts'

/**
 * Encodes a sample of a GPU, whose fields are floats and texts, as a row: 4,000 GPUs of 24 figures would be 100,000 arrays
 * of an encoder that gathers samples by series.
 *
 * @returns false where the frame is full: send it, then try again
 */
export function encodeGpu({ series, values, at }: Sample, encoder: FrameRowEncoder): boolean {
  const { memory, namesAt, namesBytes, shape } = series
  const texts = values.map((value) => (typeof value === 'string' ? Buffer.from(value) : undefined))
  const textBytes = texts.reduce((sum, text) => sum + (text?.length ?? 0), 0)
  if (!encoder.begin(memory.bytes, namesAt, namesAt + namesBytes, shape, at, textBytes)) return false
  for (let i = 0; i < shape.width; i++) {
    const value = values[i]
    const text = texts[i]
    if (text !== undefined) encoder.text(text, 0, text.length)
    else if (typeof value === 'number' && hasValue(value)) encoder.float(value)
    else encoder.none()
  }
  encoder.end()
  return true
}
