import { bench, describe } from 'vitest'
import { counted } from '../../test/support/counted.ts'
import {
  jsonRestamp,
  messagesOf,
  restampFrame,
  restampPacked,
  SAMPLES,
  through,
} from '../../test/support/pipeline-load.ts'
import { frameCodec } from '../codec/frame.ts'
import { jsonCodec } from '../codec/json.ts'
import { packedCodec } from '../codec/packed.ts'

const jsonMessages = messagesOf(jsonCodec, 1)
const packed = await through(messagesOf(packedCodec, 1), restampPacked)
const json = await through(jsonMessages, jsonRestamp(jsonMessages))
const frames = await through(messagesOf(frameCodec, 100), restampFrame)

describe('the pipeline, from the broker to a store that takes all at once', () => {
  bench('packed', counted(SAMPLES, 'message', packed))
  bench('json', counted(SAMPLES, 'message', json))
  bench('frames of 100 samples', counted(SAMPLES / 100, 'message', frames))
})
