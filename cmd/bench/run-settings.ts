import { type Command, Option } from 'commander'
import type { BenchmarkOptions } from '../../bench/run/options.ts'
import { defaultInWords } from '../../internal/config/describe.ts'
import { ConfigError } from '../../internal/config/error.ts'
import { flagOf } from '../../internal/config/names.ts'
import { choice, integer, onOff, port, type Setting, text } from '../../internal/config/setting.ts'
import { ROLES } from '../program/roles.ts'
import { LOAD_FLAGS } from './load-flags.ts'

/** The usual command for a benchmark. */
export const SCRIPT = 'bash scripts/benchmark.sh'

/** Messages per second. The plain server keeps up with this rate too, on two cores. */
const COMPARED_RATE = 20_000

const WORDS: Readonly<Record<string, boolean>> = { true: true, 1: true, false: false, 0: false }
/** The words that variables of a script usually have: `PROFILE=0`. */
const YES_OR_NO = { allowed: 'true or false, or 1 or 0', parse: (written: string) => WORDS[written] }

const { workers, duration, warmup, rate, format, binary, samplesPerMessage, values, hosts, threads } = LOAD_FLAGS

/**
 * The settings of a benchmark: `profileSeconds` is the flag `--profile-seconds` and the variable `PROFILE_SECONDS`.
 * They are not settings of a role, because a benchmark needs no file of settings, and its variables are those of the
 * script around it.
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
  broker: choice(['pubsub', 'streams'], { default: 'pubsub', description: 'The broker.' }),
  servers: integer(
    { min: 1, max: 64 },
    { default: 1, description: 'The number of servers; more than one needs streams.' },
  ),
  store: choice(['influx', 'victoria'], { default: 'influx', description: 'The store: InfluxDB or VictoriaMetrics.' }),
  stack: choice(['auto', 'compose', 'local'], {
    default: 'auto',
    description:
      'compose is containers, local is processes of this machine; auto is containers when a Docker engine answers.',
  }),
  pipeline: choice(['ours', 'baseline', 'compare'], {
    default: 'ours',
    description: 'ours is our server, baseline a plain one; compare runs both on JSON, and ours on Packed too.',
  }),
  profile: {
    ...onOff({ default: true, description: 'Whether to take profiles, in a second run of the same load.' }),
    ...YES_OR_NO,
  },
  profileSeconds: integer({ min: 1, max: 240 }, { default: 30, description: 'The length of the CPU profile.' }),
  out: text({
    default: 'profiles',
    description:
      'The folder for report.html, report.json, latencies (.hlog, .hgrm), profiles and logs. The files of an earlier run are replaced.',
  }),
  redisPort: port({ default: 0, description: 'The port of Redis; 0 takes a free port.' }),
  influxPort: port({ default: 0, description: 'The port of the store; 0 takes a free port.' }),
  serverAdminPort: port({
    default: 0,
    description: 'The port for /metrics and profiles of the server; 0 takes a free port.',
  }),
} satisfies Record<string, Setting<never> | Setting<unknown>>

type Key = keyof typeof SETTINGS
const PORTS = ['redisPort', 'influxPort', 'serverAdminPort'] as const
type Values = { readonly [K in Key]: (typeof SETTINGS)[K] extends Setting<infer T> ? T : never }

const ENTRIES = Object.entries(SETTINGS) as Array<[Key, Setting<unknown>]>

export interface RunSettings {
  readonly options: BenchmarkOptions
  readonly out: string
  /** Every value by its variable, defaults included. */
  readonly shown: Readonly<Record<string, string>>
  /** The values that the user set, as shell words: `WORKERS=128 DURATION=2m`. */
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
 * @param flags the options of the command
 * @throws ConfigError with every problem
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

/** The problems of values that are valid alone but not together. */
function conflicts(settings: Values, given: ReadonlyMap<string, unknown>): string[] {
  const { pipeline, broker, servers, format } = settings
  const found: string[] = []
  if (servers > 1 && broker !== 'streams')
    found.push('SERVERS: several servers share the work only with BROKER=streams')
  if (pipeline !== 'ours' && broker !== 'pubsub')
    found.push(`PIPELINE: ${pipeline} needs BROKER=pubsub: the plain server has no other broker`)
  if (pipeline === 'compare' && (given.has('format') || given.has('binary'))) {
    found.push('PIPELINE: compare always uses JSON and Packed: leave FORMAT and BINARY out')
  }
  if (given.has('samples') && format !== 'frame')
    found.push(`SAMPLES: a message of ${format} has one sample: set FORMAT=frame`)
  for (const [at, key] of PORTS.entries()) {
    const other = PORTS.slice(0, at).find((before) => settings[before] === settings[key])
    if (settings[key] !== 0 && other !== undefined)
      found.push(
        `${variableOf(key)}: ${settings[key]} is also ${variableOf(other)}: set another port, or 0 for a free one`,
      )
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

/** Quotes a value as one word of a shell. */
function asWord(value: string): string {
  return /^[\w./:,+-]+$/.test(value) ? value : `'${value.replaceAll("'", "'\\''")}'`
}
