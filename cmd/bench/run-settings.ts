import { type Command, Option } from 'commander'
import type { BenchmarkOptions } from '../../bench/run/options.ts'
import { defaultInWords } from '../../internal/config/describe.ts'
import { ConfigError } from '../../internal/config/error.ts'
import { flagOf } from '../../internal/config/names.ts'
import { choice, integer, onOff, port, type Setting, text } from '../../internal/config/setting.ts'
import { ROLES } from '../program/roles.ts'
import { LOAD_FLAGS } from './load-flags.ts'

/** How a benchmark is usually started. */
export const SCRIPT = 'bash scripts/benchmark.sh'

/** The plain pipeline carries so many too, on two cores. */
const COMPARED_RATE = 20_000

const WORDS: Readonly<Record<string, boolean>> = { true: true, 1: true, false: false, 0: false }
/** As people write it in the environment of a script: `PROFILE=0`. */
const YES_OR_NO = { allowed: 'true or false, or 1 or 0', parse: (written: string) => WORDS[written] }

const { workers, duration, warmup, rate, format, binary, samplesPerMessage, values, hosts, threads } = LOAD_FLAGS

/**
 * All that can be set for a benchmark: `profileSeconds` by the flag `--profile-seconds` and the variable `PROFILE_SECONDS`. They stand apart
 * from the settings of the roles: a benchmark lives as long as its command line, and its variables are those of the script around it.
 */
const SETTINGS = {
  workers,
  duration,
  warmup,
  rate: {
    ...rate,
    default: ({ given }) => (given('pipeline') === 'compare' ? COMPARED_RATE : 0),
    defaultText: `0; with PIPELINE=compare ${COMPARED_RATE}`,
  } satisfies Setting<number>,
  format,
  binary: { ...binary, ...YES_OR_NO },
  samples: samplesPerMessage,
  values,
  hosts,
  threads,
  broker: choice(['pubsub', 'streams'], { default: 'pubsub', description: 'How messages travel.' }),
  servers: integer({ min: 1, max: 64 }, { default: 1, description: 'Servers that share them; several need streams.' }),
  store: choice(['influx', 'victoria'], { default: 'influx', description: 'InfluxDB or VictoriaMetrics.' }),
  stack: choice(['auto', 'compose', 'local'], {
    default: 'auto',
    description: 'Containers, processes of this machine, or containers where a Docker engine answers.',
  }),
  pipeline: choice(['ours', 'baseline', 'compare'], {
    default: 'ours',
    description: 'The server, the plain way to write one, or both side by side: on JSON, and ours on Packed.',
  }),
  profile: {
    ...onOff({ default: true, description: 'Whether profiles are taken, under the same load once more.' }),
    ...YES_OR_NO,
  },
  profileSeconds: integer({ min: 1, max: 240 }, { default: 30, description: 'Of the CPU profile.' }),
  out: text({
    default: 'profiles',
    description: 'The folder for report.html, report.json (of an earlier run they are replaced), profiles and logs.',
  }),
  redisPort: port({ default: 0, description: 'The port of Redis; 0 takes a free one.' }),
  influxPort: port({ default: 0, description: 'The port of the store; 0 takes a free one.' }),
  serverAdminPort: port({
    default: 0,
    description: 'The port for /metrics and profiles of one server; 0 takes a free one.',
  }),
} satisfies Record<string, Setting<never> | Setting<unknown>>

type Key = keyof typeof SETTINGS
const PORTS = ['redisPort', 'influxPort', 'serverAdminPort'] as const
type Values = { readonly [K in Key]: (typeof SETTINGS)[K] extends Setting<infer T> ? T : never }

const ENTRIES = Object.entries(SETTINGS) as Array<[Key, Setting<unknown>]>

export interface RunSettings {
  readonly options: BenchmarkOptions
  readonly out: string
  /** All of them by their variables, as they came out. */
  readonly shown: Readonly<Record<string, string>>
  /** Those that somebody gave, as a shell takes them: `WORKERS=128 DURATION=2m`. */
  readonly given: string
}

export function addRunFlags(command: Command): Command {
  for (const [key, setting] of ENTRIES) {
    const description = `${setting.description.replace(/\.$/, '')} (default: ${defaultInWords(setting)}; ${variableOf(key)})`
    command.addOption(new Option(`${flagOf(key)} ${setting.placeholder}`, description))
  }
  return command
}

/**
 * Flags win over variables, variables over defaults; an empty variable counts as unset.
 *
 * @param flags as commander has them
 * @throws ConfigError with everything that is wrong, a line each
 */
export function readRunSettings(
  flags: Readonly<Record<string, unknown>>,
  env: Readonly<NodeJS.ProcessEnv>,
): RunSettings {
  const problems: string[] = []
  const given = new Map<string, unknown>()
  for (const [key, setting] of ENTRIES) {
    const flag = flags[key]
    const [name, written] =
      flag === undefined ? [variableOf(key), env[variableOf(key)] ?? ''] : [flagOf(key), String(flag)]
    if (written === '') continue
    const value = setting.parse(written.trim())
    if (value === undefined) problems.push(`${name}: ${JSON.stringify(written)} must be ${setting.allowed}`)
    else given.set(key, value)
  }
  const context = { role: ROLES.server, given: (key: string) => given.get(key) } as const
  const values = Object.fromEntries(
    ENTRIES.map(([key, { default: fallback }]) => {
      return [key, given.get(key) ?? (typeof fallback === 'function' ? fallback(context) : fallback)]
    }),
  ) as Values
  problems.push(...conflicts(values, given))
  if (problems.length > 0) throw new ConfigError(problems)
  const textOf = (key: Key): string => (SETTINGS[key] as Setting<unknown>).format(values[key])
  return {
    options: optionsOf(values),
    out: values.out,
    shown: Object.fromEntries(ENTRIES.map(([key]) => [variableOf(key), textOf(key)])),
    given: ENTRIES.filter(([key]) => given.has(key))
      .map(([key]) => `${variableOf(key)}=${asWord(textOf(key))}`)
      .join(' '),
  }
}

/** What each value may be by itself, and not together. */
function conflicts(settings: Values, given: ReadonlyMap<string, unknown>): string[] {
  const { pipeline, broker, servers, format } = settings
  const found: string[] = []
  if (servers > 1 && broker !== 'streams') found.push('SERVERS: only with BROKER=streams do several share the work')
  if (pipeline !== 'ours' && broker !== 'pubsub')
    found.push(`PIPELINE: ${pipeline} needs BROKER=pubsub; the plain one has no other`)
  if (pipeline === 'compare' && (given.has('format') || given.has('binary'))) {
    found.push('PIPELINE: compare brings its formats with it, JSON and Packed; leave FORMAT and BINARY out')
  }
  if (given.has('samples') && format !== 'frame')
    found.push(`SAMPLES: a message of ${format} is one sample; set FORMAT=frame`)
  for (const [at, key] of PORTS.entries()) {
    const other = PORTS.slice(0, at).find((before) => settings[before] === settings[key])
    if (settings[key] !== 0 && other !== undefined)
      found.push(`${variableOf(key)}: ${settings[key]} is ${variableOf(other)} too; set another, or 0 for a free one`)
  }
  return found
}

function optionsOf(values: Values): BenchmarkOptions {
  const { workers, duration: durationMs, warmup: warmupMs, rate, format, samples, hosts, threads } = values
  const { broker, servers: serverCount, store, stack: kind, pipeline, profile, profileSeconds } = values
  return {
    pipeline,
    format,
    ratePerSecond: rate === 0 ? undefined : rate,
    load: { workers, durationMs, warmupMs, hosts, samplesPerMessage: samples, values: values.values, threads },
    stack: {
      ...{ kind, broker, store, serverCount },
      ports: { redis: values.redisPort, store: values.influxPort, admin: values.serverAdminPort },
    },
    profileSeconds: profile ? profileSeconds : 0,
  }
}

/** `profileSeconds` → `PROFILE_SECONDS` */
function variableOf(key: string): string {
  return flagOf(key).slice('--'.length).replaceAll('-', '_').toUpperCase()
}

/** As one word of a shell. */
function asWord(value: string): string {
  return /^[\w./:,+-]+$/.test(value) ? value : `'${value.replaceAll("'", "'\\''")}'`
}
