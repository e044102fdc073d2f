import { createRequire } from 'node:module'
import { type DestinationStream, type Logger, pino } from 'pino'
import type * as PinoPretty from 'pino-pretty'
import { isoTime } from '../text/iso-time.ts'
import { Redactor } from '../text/redactor.ts'

type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent'
/** `auto` is text at a terminal and JSON elsewhere. */
type LogFormat = 'auto' | 'text' | 'json'

export interface LoggerOptions {
  readonly level: LogLevel
  readonly format: LogFormat
  /** The role of the process, in every JSON line. */
  readonly role: string
  /** Takes out what no line shows, not even in an error's message, a URL or a stack. */
  readonly redactor?: Redactor
  /** Where lines go instead of stderr. */
  readonly destination?: DestinationStream
  /** Whether lines go to a terminal. Default: whether stderr is one. */
  readonly terminal?: boolean
  /** Whether text is coloured. Default: whether stderr supports colours and NO_COLOR is not set. */
  readonly colour?: boolean
}

const require = createRequire(import.meta.url)

const STDERR = 2
const REDACTED = '[redacted]'
/** Fields whose value is a secret, at the top level of a line or one level below. */
const SECRET_FIELDS = ['password', 'token', 'secret', 'authorization']

/**
 * The logger of one process. A line is written before the call returns, so the last lines of a crashing process are not
 * lost. The hot path does not log, and lines that can repeat go through a LogThrottle.
 */
export function createLogger(options: LoggerOptions): Logger {
  const atTerminal = options.terminal ?? (options.destination === undefined && process.stderr.isTTY === true)
  const asText = options.format === 'text' || (options.format === 'auto' && atTerminal)
  const colour = options.colour ?? (atTerminal && process.stderr.hasColors?.() === true)
  const redactor = options.redactor ?? new Redactor()
  const destination = options.destination ?? stderr()
  return pino(
    {
      level: options.level,
      base: { role: options.role },
      timestamp: () => `,"time":"${isoTime(new Date())}"`,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: SECRET_FIELDS.flatMap((name) => [name, `*.${name}`]), censor: REDACTED },
      hooks: { streamWrite: (line) => redactor.hide(line) },
    },
    asText ? asReadableText(destination, colour) : destination,
  )
}

function stderr(): DestinationStream {
  const lines = pino.destination({ dest: STDERR, sync: true })
  // Writing to a closed terminal fails with EIO. That must not end the process before it has drained its pipeline.
  lines.on('error', () => {})
  return lines
}

/**
 * Formats each line synchronously. pino-pretty's own stream writes later, so the last lines of a crashing process would
 * be lost. It is loaded here, because a program that logs JSON does without its 30 modules and 2 MB.
 */
function asReadableText(destination: DestinationStream, colour: boolean): DestinationStream {
  const { prettyFactory } = require('pino-pretty') as typeof PinoPretty
  const prettify = prettyFactory({
    colorize: colour,
    translateTime: 'SYS:HH:MM:ss.l',
    ignore: 'role',
    singleLine: true,
  })
  return { write: (line) => destination.write(prettify(line)) }
}
