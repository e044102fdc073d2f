import { pino } from 'pino'
import { expect, it } from 'vitest'
import type { PartitionBacklog } from '../../internal/broker/broker.ts'
import { newStats } from '../../internal/broker/broker.ts'
import { Behind } from './behind.ts'

/** A server whose figures a test sets, and what it logs. */
function server() {
  const logged: string[] = []
  const logger = pino({ level: 'info' }, { write: (line) => logged.push((JSON.parse(line) as { msg: string }).msg) })
  const breaker = { problem: '', awayForMs: 0 }
  const queue = { bytes: 50 * 2 ** 20, replayedSamples: 0, waitsMs: 0 }
  const pipeline = { breaker, queue, isFull: false, held: 0 }
  const backlog: PartitionBacklog[] = []
  const broker = {
    behind: '',
    unread: undefined as { ageMs: number; bytes: number } | undefined,
    backlog,
    stats: newStats(),
  }
  const behind = new Behind({ broker, pipeline: pipeline as never, logger })
  return { behind, broker, pipeline, logged }
}

const NEXT = '. If this lasts: a faster store, more CPU, or more servers (broker.partitions)'

it('is not behind while nothing waits for long', () => {
  const { behind, pipeline, logged } = server()
  pipeline.queue.waitsMs = 4900
  behind.look()
  expect(behind.problem).toBe('')
  expect(logged).toEqual([])
})

it('is behind when samples wait for a store that answers, until they hardly do, and says so once', () => {
  const { behind, pipeline, logged } = server()
  for (const waitsMs of [5000, 4000, 7200]) {
    pipeline.queue.waitsMs = waitsMs
    behind.look()
  }
  expect(behind.problem).toBe(`behind: samples are stored 7.2 s after they came, and 50 MiB wait for the store${NEXT}`)
  pipeline.queue.waitsMs = 900
  behind.look()
  expect(behind.problem).toBe('')
  expect(logged).toEqual([
    `behind: samples are stored 5.0 s after they came, and 50 MiB wait for the store${NEXT}`,
    'this server keeps up again',
  ])
})

it('is behind when its queue is full, and when the broker holds it back', () => {
  const { behind, broker, pipeline } = server()
  pipeline.isFull = true
  behind.look()
  expect(behind.problem).toContain(': the broker is not read until half of them are written')
  pipeline.isFull = false
  broker.behind = 'messages are read 3.0 s after they were published'
  behind.look()
  expect(behind.problem).toBe(`behind: messages are read 3.0 s after they were published${NEXT}`)
})

it('is behind over streams when messages are unread for long', () => {
  const { behind, broker } = server()
  broker.backlog.push({ partition: 0, lag: 10, pending: 5, oldestAgeMs: 12_000, unreadAgeMs: 12_000 })
  behind.look()
  expect(behind.problem).toBe(`behind: messages are read 12 s after they were published${NEXT}`)
})

it('says nothing while the store is away: that is said already', () => {
  const { behind, pipeline } = server()
  pipeline.isFull = true
  pipeline.breaker.problem = 'InfluxDB does not answer'
  behind.look()
  expect(behind.problem).toBe('')
})
