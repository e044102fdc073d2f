import { readFileSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { Command, Option } from 'commander'
import { secretsInUrl, showUrl } from '../../internal/config/secret-url.ts'
import { API_CA_VARIABLE, API_URL_VARIABLE } from '../../internal/config/written.ts'
import { ask } from '../../internal/http/ask.ts'
import { Redactor } from '../../internal/text/redactor.ts'
import { readMaterial } from '../../internal/tls/material.ts'
import { OutputClosed, print } from './output.ts'

/** The pause before it connects again, as in a browser. */
const RECONNECT_MS = 1000

interface TailOptions {
  readonly api: string
  readonly keyFile?: string
  readonly host?: string
  readonly measurement?: string
  readonly once?: boolean
  readonly tlsCa?: string
  readonly tlsCert?: string
  readonly tlsKey?: string
}

/** Follows the live stream of an API and prints one JSON line per reading. */
export function tailCommand(): Command {
  const api = new Option('--api <url>', 'the address of the API').default('http://127.0.0.1:8080').env(API_URL_VARIABLE)
  const ca = new Option('--tls-ca <path>', "the authority of the API's certificate, in PEM").env(API_CA_VARIABLE)
  return new Command('tail')
    .description('Prints each new reading of the live stream as a line of JSON.')
    .addOption(api)
    .addOption(new Option('--key-file <path>', 'a file with the API key, in place of API_KEY').env('API_KEY_FILE'))
    .option('--host <names>', 'only these hosts, separated by commas; a comma of a name is written \\,')
    .option('--measurement <names>', 'only these measurements, separated by commas; a comma of a name is written \\,')
    .option('--once', 'end after the first snapshot')
    .addOption(ca)
    .option('--tls-cert <path>', 'a certificate that is shown to the API, in PEM')
    .option('--tls-key <path>', 'the key of that certificate, in PEM')
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
async function follow(options: TailOptions, position: { eventId: string }): Promise<void> {
  const { api, host, measurement, once } = options
  const url = new URL('/api/v1/live', api)
  if (host !== undefined) url.searchParams.set('host', host)
  if (measurement !== undefined) url.searchParams.set('measurement', measurement)
  const response = await open(url, position.eventId, options)
  let text = ''
  for await (const chunk of response) {
    text += String(chunk)
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

/** Read at each connection: a key that is replaced works at the next one. '' where none is given. */
function keyIn({ keyFile }: TailOptions): string {
  return keyFile === undefined || keyFile === '' ? (process.env.API_KEY ?? '') : readFileSync(keyFile, 'utf8').trim()
}

async function open(url: URL, resumeFrom: string, options: TailOptions): Promise<IncomingMessage> {
  const key = keyIn(options)
  const headers: Record<string, string> = resumeFrom === '' ? {} : { 'last-event-id': resumeFrom }
  const { tlsCa: caFile, tlsCert: certFile, tlsKey: keyFile } = options
  const tls = await readMaterial({ caFile, certFile, keyFile })
  const secrets = secretsInUrl(url.href)
  if (key !== '') {
    headers['x-api-key'] = key
    secrets.push(key)
  }
  const { username, password } = url
  if (username !== '' || password !== '') {
    // For a proxy that asks for credentials.
    const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
    headers.authorization = `Basic ${Buffer.from(credentials).toString('base64')}`
    url.username = url.password = ''
  }
  let response: IncomingMessage
  try {
    response = (await ask(url, { headers, tls })).setEncoding('utf8')
  } catch (cause) {
    throw new Error(`no API at ${url.origin} (${describe(cause)}): is "sentinel up" or "api" running? see --api`, {
      cause,
    })
  }
  if (response.statusCode === 200) return response
  let said = ''
  for await (const chunk of response) said += String(chunk)
  // A proxy may repeat the header in its answer.
  throw new Error(`${url.origin} answers ${response.statusCode}: ${new Redactor(secrets).hide(said)}`)
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? error.cause.message : error.message
}
