import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { bench, describe } from 'vitest'
import { openDeadLetters } from './dead-letters.ts'

const logger = pino({ enabled: false })

describe('20,000 dead letters of 300 bytes, written', () => {
  const letter = {
    at: 1_763_900_000_000,
    kind: 'message' as const,
    reason: 'json_shape',
    detail: 'neither "cpu_usage" nor "mem_usage" is a number',
    source: 'web-01/agent/5f3a',
    payload: Buffer.alloc(300, 'x'),
  }
  const options = { iterations: 5, time: 0, warmupIterations: 1, warmupTime: 0 }
  const keep = async (): Promise<void> => {
    const folder = await mkdtemp(join(tmpdir(), 'sentinel-bench-'))
    const letters = await openDeadLetters({ folder, maxBytes: 64 * 1024 * 1024, logger })
    for (let i = 0; i < 20_000; i++) letters.add(letter)
    await letters.close()
    await rm(folder, { recursive: true })
  }
  bench('added and written', keep, options)
})
