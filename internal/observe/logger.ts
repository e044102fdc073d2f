import { type DestinationStream, type Logger, pino, stdTimeFunctions } from 'pino'
import { prettyFactory } from 'pino-pretty'

type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent'
/** `auto` is text at a terminal and JSON elsewhere. */
type LogFormat = 'auto' | 'text' | 'json'

export interface LoggerOptions {
  readonly level: LogLevel
  readonly format: LogFormat
  /** Stands in every JSON line: which program of the pipeline is speaking. */
  readonly role: string
  /** Values that no line may show, wherever they come from: an error's message, a URL, a stack. Those added later are hidden from then on. */
  readonly secrets?: Iterable<string>
  /** Where lines go instead of stderr. */
  readonly destination?: DestinationStream
  /** Whether `auto` finds a terminal. stderr's own answer unless given. */
  readonly terminal?: boolean
  /** Whether text is coloured. Where stderr can show it and NO_COLOR is not set, unless given. */
  readonly colour?: boolean
}

const STDERR = 2
const REDACTED = '[redacted]'
/** Names of fields that hold a secret, at the top of a line or one level down. */
const SECRET_FIELDS = ['password', 'token', 'secret', 'authorization']
/** `scheme://user:password@`; the user stays, since it helps to find a wrong one. */
const URL_PASSWORD = /(:\/\/[^\s/?#:"]*):[^\s/?#"]+@/g
/** A shorter one would cut holes into ordinary words. */
const SHORTEST_SECRET = 4

/**
 * The logger of one process. Lines are written before the call returns, so the last words of a dying process are not lost;
 * nothing on the hot path logs, and what may repeat goes through a LogThrottle.
 */
export function createLogger(options: LoggerOptions): Logger {
  const atTerminal = options.terminal ?? (options.destination === undefined && process.stderr.isTTY === true)
  const asText = options.format === 'text' || (options.format === 'auto' && atTerminal)
  const colour = options.colour ?? (atTerminal && process.stderr.hasColors?.() === true)
  const hide = hider(options.secrets ?? [])
  const destination = options.destination ?? stderr()
  return pino(
    {
      level: options.level,
      base: { role: options.role },
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: SECRET_FIELDS.flatMap((name) => [name, `*.${name}`]), censor: REDACTED },
      hooks: { streamWrite: hide },
    },
    asText ? asReadableText(destination, colour) : destination,
  )
}

function stderr(): DestinationStream {
  const lines = pino.destination({ dest: STDERR, sync: true })
  // A terminal that was closed answers EIO. Logging must not be what ends the process then: it has a pipeline to drain.
  lines.on('error', () => {})
  return lines
}

/** Line by line, not as pino-pretty's stream: that one writes later, and what a dying process said last would be missing. */
function asReadableText(destination: DestinationStream, colour: boolean): DestinationStream {
  const prettify = prettyFactory({
    colorize: colour,
    translateTime: 'SYS:HH:MM:ss.l',
    ignore: 'role',
    singleLine: true,
  })
  return { write: (line) => destination.write(prettify(line)) }
}

/** Takes the given secrets and every URL's password out of a finished line. */
function hider(secrets: Iterable<string>): (line: string) => string {
  return (line) => {
    let clean = line
    for (const secret of secrets) {
      if (secret.length >= SHORTEST_SECRET) clean = clean.replaceAll(JSON.stringify(secret).slice(1, -1), REDACTED)
    }
    return clean.includes('://') ? clean.replace(URL_PASSWORD, '$1:***@') : clean
  }
}
