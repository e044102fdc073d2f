import { Command, Option } from 'commander'

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
  return new Command('tail')
    .description('Shows what comes through, as it comes: a JSON line for each reading of the live stream.')
    .addOption(new Option('--api <url>', 'where the API is').default('http://127.0.0.1:8080').env('SENTINEL_API_URL'))
    .option('--host <names>', 'only these hosts, with commas between')
    .option('--measurement <names>', 'only these measurements')
    .option('--once', 'ends after the first snapshot')
    .addHelpText('after', '\nExample:\n  sentinel tail --measurement cpu | jq .fields.usage_idle')
    .action(async (options: TailOptions) => {
      let resumeFrom = ''
      do {
        try {
          resumeFrom = await follow(options, resumeFrom)
        } catch (error) {
          if (options.once || resumeFrom === '') throw error
          process.stderr.write(`the live stream ended (${describe(error)}): connecting again\n`)
          await new Promise((resolve) => setTimeout(resolve, RECONNECT_MS))
        }
      } while (!options.once)
    })
}

/** @returns the id of the last event, to resume from */
async function follow({ api, host, measurement, once }: TailOptions, resumeFrom: string): Promise<string> {
  const url = new URL('/api/v1/live', api)
  if (host !== undefined) url.searchParams.set('host', host)
  if (measurement !== undefined) url.searchParams.set('measurement', measurement)
  const response = await open(url, resumeFrom)
  let id = resumeFrom
  let text = ''
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
    text += chunk
    const events = text.split('\n\n')
    text = events.pop()!
    for (const event of events) {
      const fields = new Map(event.split('\n').map((line) => line.split(/: (.*)/s) as [string, string]))
      id = fields.get('id') ?? id
      if (fields.get('event') !== 'samples') continue
      for (const sample of JSON.parse(fields.get('data')!) as unknown[]) {
        process.stdout.write(`${JSON.stringify(sample)}\n`)
      }
      if (once) return id
    }
  }
  return id
}

async function open(url: URL, resumeFrom: string): Promise<Response> {
  let response: Response
  try {
    response = await fetch(url, { headers: resumeFrom === '' ? {} : { 'last-event-id': resumeFrom } })
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
