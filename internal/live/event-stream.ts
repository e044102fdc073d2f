import type { LiveSeries } from './live-series.ts'

/**
 * The text/event-stream of the live feed: events `samples`, `lost` and `end`, and comments that keep proxies from
 * closing a quiet connection. Compact JSON has no line breaks, so the data of each event is one line.
 */

/** Tells the client to come back a second after the connection broke. */
export const RETRY = Buffer.from('retry: 1000\n\n')
export const PING = Buffer.from(': ping\n\n')
export const END = Buffer.from('event: end\ndata: {}\n\n')

/** Longer events are cut, so that about this much waits in memory for a client that reads slowly. UTF-16 units. */
export const MAX_EVENT_LENGTH = 64 * 1024

/** @param series how many readings the client missed: newer ones replaced them, or there was no room */
export function lostEvent(series: number): Buffer {
  return Buffer.from(`event: lost\ndata: {"series":${series}}\n\n`)
}

/**
 * The readings as one or more events; without readings, as one empty event. Only the last event has the id. So a client
 * that leaves before it resumes from its older id, and gets all of them again.
 */
export function samplesEvents(readings: Iterable<LiveSeries>, id: string | undefined): Buffer {
  let events = ''
  let data = ''
  for (const reading of readings) {
    const json = reading.json()
    if (data !== '' && data.length + json.length > MAX_EVENT_LENGTH) {
      events += `event: samples\ndata: [${data}]\n\n`
      data = ''
    }
    data += data === '' ? json : `,${json}`
  }
  const idLine = id === undefined ? '' : `id: ${id}\n`
  return Buffer.from(`${events}event: samples\n${idLine}data: [${data}]\n\n`)
}

/** Readings that are JSON already, with commas between them, as one event. */
export function samplesEvent(readings: string): Buffer {
  return Buffer.from(`event: samples\ndata: [${readings}]\n\n`)
}

/** The id of an event after which a client has everything up to a generation of the run `start`. */
export function eventId(start: string, generation: number): string {
  return `${start}-${generation}`
}

/** The parts of an event's id, where a client stopped; undefined when the id is not ours. */
export function parseEventId(id: string): { start: string; generation: number } | undefined {
  const match = /^([0-9a-z]{1,32})-(\d{1,15})$/.exec(id)
  return match === null ? undefined : { start: match[1]!, generation: Number(match[2]) }
}
