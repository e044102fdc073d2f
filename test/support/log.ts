import { Writable } from 'node:stream'
import { type Logger, pino } from 'pino'

/** A logger whose lines are put into an array. */
export function logTo(lines: string[]): Logger {
  const sink = new Writable({
    write: (chunk, _encoding, done) => {
      lines.push(String(chunk))
      done()
    },
  })
  return pino({ level: 'info' }, sink)
}
