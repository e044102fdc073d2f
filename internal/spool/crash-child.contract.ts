import { pino } from 'pino'
import { openSegmentLog } from './segment-log.ts'

/** A payload that contains its number, which also decides its length. */
export function payloadOf(life: number, index: number): Buffer {
  const name = `${life} ${index} `
  return Buffer.alloc(name.length + ((index * 7919) % 3000), name)
}

/**
 * Appends to the log of a folder, and reads and commits a part of it. Says after each write how many of its records the
 * file system has, and which payload it commits up to now.
 */
export async function appendUntilKilled(folder: string, life: number): Promise<never> {
  const log = await openSegmentLog({
    ...{ folder, maxBytes: 1 << 30, segmentBytes: 50_000 },
    logger: pino({ enabled: false }),
  })
  for (let index = 0; ; index += 10) {
    for (let i = 0; i < 10; i++) log.append([payloadOf(life, index + i)], 3)
    await log.written()
    await log.next()
    await log.next()
    const record = await log.next()
    process.stdout.write(`${index + 10} ${JSON.stringify(record?.payload.toString('latin1', 0, 20) ?? '')}\n`)
    if (record !== undefined) log.commit(record.number)
  }
}
