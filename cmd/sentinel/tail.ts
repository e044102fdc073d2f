import { Command, InvalidArgumentError, Option } from 'commander'
import { API_URL_VARIABLE } from '../../internal/config/written.ts'

/** A server that goes away is asked again after this long, as a browser does. */
const RECONNECT_MS = 1000

interface TailOptions {
  readonly api: string
  readonly host?: string
  readonly measurement?: string
  readonly once?: boolean
}

/** Follows the live stream of an API and writes a JSON line a reading. */
export function tailCommand(): Command {
  const api = new Option('--api <url>', 'where the API is')
    .default('http://127.0.0.1:8080')
    .env(API_URL_VARIABLE)
    .argParser(apiUrl)
  return new Command('tail')
    .description('Shows what comes through, as it comes: a JSON line for each reading of the live stream.')
    .addOption(api)
    .option('--host <names>', 'only these hosts, with commas between')
    .option('--measurement <names>', 'only these measurements')
    .option('--once', 'ends after the first snapshot')
    .addHelpText('after', '\nExample:\n  sentinel tail --measurement cpu | jq .fields.usage_idle')
    .action(async (options: TailOptions) => {
      const last = { eventId: '' }
      for (;;) {
        let why = 'the API closed it'
        try {
          await follow(options, last)
          if (options.once) return
        } catch (error) {
          if (error instanceof OutputFailure) return
          if (options.once || last.eventId === '') throw error
          why = describe(error)
        }
        process.stderr.write(`the live stream ended (${why}): connecting again\n`)
        await new Promise((resolve) => setTimeout(resolve, RECONNECT_MS))
      }
    })
}

function apiUrl(text: string): string {
  if (/^https?:\/\//.test(text) && URL.canParse(text)) return text
  throw new InvalidArgumentError('It must be a URL, such as http://127.0.0.1:8080.')
}

/** @param last where the stream is resumed, kept up to date */
async function follow({ api, host, measurement, once }: TailOptions, last: { eventId: string }): Promise<void> {
  const url = new URL('/api/v1/live', api)
  if (host !== undefined) url.searchParams.set('host', host)
  if (measurement !== undefined) url.searchParams.set('measurement', measurement)
  const response = await open(url, last.eventId)
  let text = ''
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
    text += chunk
    const events = text.split('\n\n')
    text = events.pop()!
    for (const event of events) {
      const fields = new Map(event.split('\n').map((line) => line.split(/: (.*)/s) as [string, string]))
      last.eventId = fields.get('id') ?? last.eventId
      if (fields.get('event') !== 'samples') continue
      const samples = JSON.parse(fields.get('data')!) as unknown[]
      await write(samples.map((sample) => `${JSON.stringify(sample)}\n`).join(''))
      if (once) return
    }
  }
}

/** Nobody reads any more, or the disk is full; `main` says what there is to say of it. */
class OutputFailure extends Error {}

/** Waits until it is taken: a reader that is slow holds up the stream, and the API leaves out what it misses, instead of filling our memory. */
function write(lines: string): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(lines, (cause) => (cause ? reject(new OutputFailure('', { cause })) : resolve()))
  })
}

async function open(url: URL, resumeFrom: string): Promise<Response> {
  const headers = new Headers(resumeFrom === '' ? {} : { 'last-event-id': resumeFrom })
  const { username, password } = url
  if (username !== '' || password !== '') {
    // For a proxy that asks for it. `fetch` takes none in a URL, and its error would show them.
    const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
    headers.set('authorization', `Basic ${Buffer.from(credentials).toString('base64')}`)
    url.username = url.password = ''
  }
  let response: Response
  try {
    response = await fetch(url, { headers })
  } catch (cause) {
    throw new Error(`no API at ${url.origin} (${describe(cause)}): is "sentinel up" or "api" running? see --api`, {
      cause,
    })
  }
  if (response.ok) return response
  throw new Error(`${url.origin} answers ${response.status}: ${await response.text()}`)
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? error.cause.message : error.message
}
