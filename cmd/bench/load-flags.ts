import { type Command, InvalidArgumentError, Option } from 'commander'
import { MAX_RATE } from '../../bench/load/due-times.ts'
import { addSettingFlags, flagValues } from '../../internal/config/cli.ts'
import { defaultInWords } from '../../internal/config/describe.ts'
import { flagOf } from '../../internal/config/names.ts'
import { choice, duration, integer, onOff, optionalText, type Setting, texts } from '../../internal/config/setting.ts'
import type { FlagValues } from '../../internal/config/written.ts'
import { ROLES } from '../program/roles.ts'

const SECOND = 1000
const DAY = 24 * 3600 * SECOND
/** Each worker keeps a frame of its own, some 100 bytes a sample. */
const MAX_KEPT_SAMPLES = 5_000_000
/** Of the settings of a server: where Redis and the store are, and how they are used. */
const CONNECTION_SETTINGS =
  /^(redis\.|broker\.(topic|partitions|maxLength)$|influx\.(url|token|bucket|username|password|timeoutMs))/

/** What can be said of a load beside the settings: the flag of `samplesPerMessage` is `--samples-per-message`. */
export const LOAD_FLAGS = {
  workers: integer({ min: 1, max: 100_000 }, { default: 64, description: 'Publishers that are played.' }),
  duration: duration({ min: SECOND, max: DAY }, { default: 30 * SECOND, description: 'How long is measured.' }),
  warmup: duration({ min: 0, max: DAY }, { default: 5 * SECOND, description: 'How long before that, uncounted.' }),
  rate: integer(
    { min: 0, max: MAX_RATE },
    {
      default: 0,
      description: 'Messages a second of all workers. 0 is a closed loop: each worker waits for its reply.',
    },
  ),
  format: choice(['packed', 'json', 'frame'], {
    default: ({ given }) => (given('binary') === false ? 'json' : 'packed'),
    defaultText: 'packed',
    description: 'What a message is.',
  }),
  binary: onOff({
    default: true,
    description: 'The same in two words: true is packed, false is json; --format wins.',
  }),
  broker: choice(['pubsub', 'streams'], {
    default: 'pubsub',
    defaultText: 'the setting broker.kind, and so pubsub',
    description: 'How messages travel; the same as at the servers.',
  }),
  hosts: integer(
    { min: 0, max: 100_000 },
    { default: 0, description: 'Hosts that the samples are of; 0: JSON names none, frames name one.' },
  ),
  samplesPerMessage: integer(
    { min: 1, max: 65_536 },
    { default: 100, description: 'Samples in a frame; the other formats carry one.' },
  ),
  values: choice(['walk', 'full'], {
    default: 'walk',
    description: 'Walks with two decimals, or doubles with all their digits, which cost more to write.',
  }),
  threads: integer({ min: 1, max: 64 }, { default: 1, description: 'Threads that send.' }),
  server: serverUrls('Admin listeners of the servers, whose figures are shown; none: nobody is asked.'),
  json: optionalText({ description: 'A file for all that was measured, and with what.' }),
} satisfies Record<string, Setting<never> | Setting<unknown>>

type Key = keyof typeof LOAD_FLAGS
type Values = { readonly [K in Key]: (typeof LOAD_FLAGS)[K] extends Setting<infer T> ? T : never }
const ENTRIES = Object.entries(LOAD_FLAGS) as Array<[Key, Setting<unknown>]>

export interface LoadFlags extends Values {
  /** Whether the store is asked what it has. */
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
  command.addOption(new Option('--no-count', 'does not ask the store how many samples it has').helpGroup('Load:'))
  return addSettingFlags(command, ROLES.server, examples, (key) => CONNECTION_SETTINGS.test(key))
}

/** A command line that makes no sense ends the program. */
export function readLoadFlags(command: Command): LoadFlags {
  const given: Readonly<Record<string, unknown>> = command.opts()
  const values = Object.fromEntries(
    ENTRIES.map(([key, setting]) => [key, given[key] ?? defaultOf(setting, given)]),
  ) as Values
  const { format, workers, samplesPerMessage } = values
  if (format === 'frame' && workers * samplesPerMessage > MAX_KEPT_SAMPLES) {
    command.error(
      `error: ${workers} workers with frames of ${samplesPerMessage} samples take too much memory: set fewer`,
    )
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

/** Takes what a setting of this kind takes, and says so of what it does not. A list may be given in several flags; an empty one begins it anew. */
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
    allowed: 'none, or URLs that begin with http:// or https://, with commas between',
    parse: (text) => {
      if (text === 'none') return []
      const urls = list.parse(text) ?? []
      return urls.length > 0 && urls.every((url) => /^https?:\/\//.test(url) && URL.canParse(url)) ? urls : undefined
    },
  }
}
