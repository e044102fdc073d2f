import { Point } from '@influxdata/influxdb-client'
import { detectFormat } from '../../internal/codec/detect.ts'

/** One message as JSON.parse returns it, unchecked. A Packed message is read into the same shape. */
export interface StatsMessage {
  readonly cpu_usage?: number
  readonly mem_usage?: number
  readonly host?: string
  readonly send_time_unix_nano?: number
}

/** @throws Error when it is neither JSON nor Packed */
export function readMessage(payload: Buffer): StatsMessage {
  switch (detectFormat(payload)) {
    case 'json':
      return JSON.parse(payload.toString())
    case 'packed':
      return {
        cpu_usage: payload.readDoubleLE(8),
        mem_usage: payload.readDoubleLE(16),
        send_time_unix_nano: Number(payload.readBigInt64LE(24)),
      }
    default:
      throw new Error('neither JSON nor Packed')
  }
}

/**
 * When the message was sent, µs since the epoch. NaN, 0 or less: the message does not say.
 *
 * A double holds these nanoseconds to within 128. Rounded to microseconds, the time is exact for a publisher that
 * counts in microseconds, as the load generator does. For one that counts in nanoseconds it may be 1 µs more than in
 * our pipeline, which reads all digits and truncates.
 */
export function sentAtOf({ send_time_unix_nano }: StatsMessage): number {
  return Math.round(Number(send_time_unix_nano) / 1000)
}

/**
 * The same point that our server writes. Only -0 differs: the client writes it as 0.
 *
 * @param at µs since the epoch
 * @param tie the nanoseconds below, 0 to 999
 * @throws Error when neither value is a finite number
 */
export function pointOf({ cpu_usage: cpu, mem_usage: mem, host }: StatsMessage, at: number, tie: number): Point {
  if (!Number.isFinite(cpu) && !Number.isFinite(mem)) throw new Error('neither cpu nor mem is a finite number')
  // A number cannot hold a time in nanoseconds exactly, so the client takes text.
  const point = new Point('system_stats').timestamp(`${at}${String(tie).padStart(3, '0')}`)
  if (host) point.tag('host', host)
  if (Number.isFinite(cpu)) point.floatField('cpu', cpu)
  if (Number.isFinite(mem)) point.floatField('mem', mem)
  return point
}
