import { Command, Option } from 'commander'
import { secretsInUrl, showUrl } from '../../internal/config/secret-url.ts'
import { API_URL_VARIABLE } from '../../internal/config/written.ts'
import { Redactor } from '../../internal/text/redactor.ts'
import { OutputClosed, print } from './output.ts'

/** The pause before it connects again, as in a browser. */
const RECONNECT_MS = 1000

interface TailOptions {
  readonly api: string
  readonly host?: string
  readonly measurement?: string
  readonly once?: boolean
}

/** Follows the live stream of an API and prints one JSON line per reading. */
export function tailCommand(): Command {
  const api = new Option('--api <url>', 'the address of the API').default('http://127.0.0.1:8080').env(API_URL_VARIABLE)
  return new Command('tail')
    .description('Prints each new reading of the live stream as a line of JSON.')
    .addOption(api)
    .option('--host <names>', 'only these hosts, separated by commas; a comma of a name is written \\,')
    .option('--measurement <names>', 'only these measurements, separated by commas; a comma of a name is written \\,')
    .option('--once', 'end after the first snapshot')
    .addHelpText('after', '\nExample:\n  sentinel tail --measurement cpu | jq .fields.usage_idle')
    .action(async (options: TailOptions, command: Command) => {
      refuseNoUrl(command, options.api)
      const position = { eventId: '' }
      for (;;) {
        let reason = 'the API closed it'
        try {
          await follow(options, position)
          if (options.once) return
        } catch (error) {
          if (error instanceof OutputClosed) return
          if (options.once || position.eventId === '') throw error
          reason = describe(error)
        }
        process.stderr.write(`the live stream ended (${reason}): connecting again\n`)
        await new Promise((resolve) => setTimeout(resolve, RECONNECT_MS))
      }
    })
}

/** Not a check of commander's: its error would show the text, which may have a password. */
function refuseNoUrl(command: Command, api: string): void {
  if (/^https?:\/\//.test(api) && URL.canParse(api)) return
  command.error(
    `error: --api ${JSON.stringify(showUrl(api, false))} is invalid. It must be a URL, such as http://127.0.0.1:8080.`,
  )
}

/** @param position where to resume the stream; kept up to date */
async function follow({ api, host, measurement, once }: TailOptions, position: { eventId: string }): Promise<void> {
  const url = new URL('/api/v1/live', api)
  if (host !== undefined) url.searchParams.set('host', host)
  if (measurement !== undefined) url.searchParams.set('measurement', measurement)
  const response = await open(url, position.eventId)
  let text = ''
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
    text += chunk
    const events = text.split('\n\n')
    text = events.pop()!
    for (const event of events) {
      const fields = new Map(event.split('\n').map((line) => line.split(/: (.*)/s) as [string, string]))
      position.eventId = fields.get('id') ?? position.eventId
      if (fields.get('event') !== 'samples') continue
      const samples = JSON.parse(fields.get('data')!) as unknown[]
      await print(samples.map((sample) => `${JSON.stringify(sample)}\n`).join(''))
      if (once) return
    }
  }
}

async function open(url: URL, resumeFrom: string): Promise<Response> {
  const headers = new Headers(resumeFrom === '' ? {} : { 'last-event-id': resumeFrom })
  const secrets = secretsInUrl(url.href)
  const { username, password } = url
  if (username !== '' || password !== '') {
    // For a proxy that asks for credentials. `fetch` refuses them in a URL, and its error would show them.
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
  // A proxy may repeat the header in its answer.
  const said = new Redactor(secrets).hide(await response.text())
  throw new Error(`${url.origin} answers ${response.status}: ${said}`)
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? error.cause.message : error.message
}
