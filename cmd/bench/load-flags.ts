import { type Command, InvalidArgumentError, Option } from 'commander'
import { MAX_RATE } from '../../bench/load/due-times.ts'
import { addSettingFlags, flagValues } from '../../internal/config/cli.ts'
import { defaultInWords } from '../../internal/config/describe.ts'
import { flagOf } from '../../internal/config/names.ts'
import {
  choice,
  duration,
  integer,
  onOff,
  optionalText,
  path,
  type Setting,
  texts,
} from '../../internal/config/setting.ts'
import type { FlagValues } from '../../internal/config/written.ts'
import { ROLES } from '../program/roles.ts'

const SECOND = 1000
const DAY = 24 * 3600 * SECOND
/** Each worker keeps a frame of its own, about 100 bytes per sample. */
const MAX_KEPT_SAMPLES = 5_000_000
/** The settings of a server that a load needs: where Redis and the store are, and how to use them; what opens the servers, from files alone. */
const CONNECTION_SETTINGS =
  /^(redis\.|broker\.(topic|partitions|maxLength)$|influx\.(url|token|bucket|username|password|timeoutMs|caFile|certFile|keyFile|serverName)|auth\.(key|serviceToken)File$)/

/** The flags of a load: `samplesPerMessage` is `--samples-per-message`. They are not settings of a role. */
export const LOAD_FLAGS = {
  workers: integer({ min: 1, max: 100_000 }, { default: 64, description: 'The number of simulated publishers.' }),
  duration: duration(
    { min: SECOND, max: DAY },
    { default: 30 * SECOND, description: 'How long the measurement takes.' },
  ),
  warmup: duration(
    { min: 0, max: DAY },
    { default: 5 * SECOND, description: 'How long the load runs before the measurement.' },
  ),
  rate: integer(
    { min: 0, max: MAX_RATE },
    {
      default: 0,
      description: 'Messages per second of all workers together. 0 is a closed loop: each worker waits for its reply.',
    },
  ),
  format: choice(['packed', 'json', 'frame'], {
    default: ({ given }) => (given('binary') === false ? 'json' : 'packed'),
    defaultText: 'packed',
    description: 'The format of messages.',
  }),
  binary: onOff({
    default: true,
    description: 'Another way to set the format: true is packed, false is json; --format wins.',
  }),
  broker: choice(['pubsub', 'streams'], {
    default: 'pubsub',
    defaultText: 'broker.kind, which is pubsub unless set',
    description: 'The broker, the same as that of the servers.',
  }),
  hosts: integer(
    { min: 0, max: 100_000 },
    { default: 0, description: 'The number of hosts in the samples. With 0, JSON names no host and frames name one.' },
  ),
  samplesPerMessage: integer(
    { min: 1, max: 65_536 },
    { default: 100, description: 'The samples of a frame; a message of another format has one.' },
  ),
  values: choice(['walk', 'full'], {
    default: 'walk',
    description: 'walk is a random walk with two decimals; full is doubles with all digits, which cost more to write.',
  }),
  threads: integer({ min: 1, max: 64 }, { default: 1, description: 'The number of sending threads.' }),
  server: serverUrls('The admin listeners of the servers to measure; with none, no server is asked.'),
  serverCaFile: path({
    description: 'The authority of the certificates of these listeners, in PEM, in place of the public ones.',
  }),
  serverCertFile: path({ description: 'The certificate that is shown to them, in PEM.' }),
  serverKeyFile: path({ description: 'The key of that certificate, in PEM.' }),
  serverName: optionalText({
    description: 'The name in their certificates, where that is another than the one in the URL.',
  }),
  json: optionalText({ description: 'A file for all results and the flags.' }),
  hdr: optionalText({
    description: 'A folder for the latencies in the formats of HdrHistogram: latency.hlog, internal.hgrm and so on.',
  }),
} satisfies Record<string, Setting<never> | Setting<unknown>>

type Key = keyof typeof LOAD_FLAGS
type Values = { readonly [K in Key]: (typeof LOAD_FLAGS)[K] extends Setting<infer T> ? T : never }
const ENTRIES = Object.entries(LOAD_FLAGS) as Array<[Key, Setting<unknown>]>

export interface LoadFlags extends Values {
  /** Whether to ask the store how many samples it has. */
  readonly count: boolean
  /** For `loadSettings`. */
  readonly settings: FlagValues
}

export function addLoadFlags(command: Command, examples: readonly string[]): Command {
  for (const [key, setting] of ENTRIES) {
    const words = `${setting.description.replace(/\.$/, '')} (default: ${defaultInWords(setting)})`
    const option = new Option(`${flagOf(key)} ${setting.placeholder}`, words).helpGroup('Load:')
    command.addOption(option.argParser(parserOf(setting)))
  }
  command.addOption(new Option('--no-count', 'do not ask the store how many samples it has').helpGroup('Load:'))
  return addSettingFlags(command, ROLES.server, examples, (key) => CONNECTION_SETTINGS.test(key))
}

/** Reads the flags of a parsed command. An impossible combination ends the program with an error. */
export function readLoadFlags(command: Command): LoadFlags {
  const given: Readonly<Record<string, unknown>> = command.opts()
  const values = Object.fromEntries(
    ENTRIES.map(([key, setting]) => [key, given[key] ?? defaultOf(setting, given)]),
  ) as Values
  const { format, workers, samplesPerMessage } = values
  if (format === 'frame' && workers * samplesPerMessage > MAX_KEPT_SAMPLES) {
    command.error(
      `error: ${workers} workers with frames of ${samplesPerMessage} samples take too much memory: set fewer of either`,
    )
  }
  if (values.hdr !== undefined && values.server.length === 0) {
    command.error('error: --hdr writes the latencies that servers measure: name them with --server')
  }
  const settings = flagValues(command, ROLES.server)
  return {
    ...values,
    count: given.count === true,
    settings: given.broker === undefined ? settings : { ...settings, 'broker.kind': values.broker },
  }
}

function defaultOf(setting: Setting<unknown>, given: Readonly<Record<string, unknown>>): unknown {
  if (typeof setting.default !== 'function') return setting.default
  return setting.default({ role: ROLES.server, given: (key: string) => given[key] })
}

/** Parses a flag as its setting does. A list can be split over several flags; an empty list starts it again. */
function parserOf(setting: Setting<unknown>): (text: string, before: unknown) => unknown {
  return (text, before) => {
    const value = setting.parse(text)
    if (value === undefined) throw new InvalidArgumentError(`It must be ${setting.allowed}.`)
    return Array.isArray(before) && Array.isArray(value) && value.length > 0 ? [...before, ...value] : value
  }
}

function serverUrls(description: string): Setting<readonly string[]> {
  const list = texts({ default: ['http://127.0.0.1:6060'], description })
  return {
    ...list,
    placeholder: '<url,url,…>',
    allowed: 'none, or URLs that begin with http:// or https://, separated by commas',
    parse: (text) => {
      if (text === 'none') return []
      const urls = list.parse(text) ?? []
      return urls.length > 0 && urls.every((url) => /^https?:\/\//.test(url) && URL.canParse(url)) ? urls : undefined
    },
  }
}
