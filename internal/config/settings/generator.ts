import { choice, choiceInAnyCase, duration, hostNames, integer, port, text, url } from '../setting.ts'
import { HOUR, SECOND } from './common.ts'

/** The most rows of a snapshot: ports of a large fabric. */
export const MOST_ROWS = 100_000
/** Of a made-up dcgm-exporter: 100,000 lines and more. */
const MOST_GPUS = 10_000
/** Of a switch of 400 Gbit/s with half of its ports in use. */
const PORTS_PER_SWITCH = 32

export const generator = {
  host: text({
    default: '127.0.0.1',
    duties: ['generate'],
    shortFlag: '--host',
    description: 'The address that serves /counters.',
  }),
  port: port({
    default: 9001,
    duties: ['generate'],
    shortFlag: '--port',
    description: 'The port of that address; 0 takes a free port.',
  }),
  hosts: hostNames({
    default: [],
    defaultText: 'none',
    duties: ['generate'],
    reloads: true,
    description: 'The names in URLs of that address, beside localhost and IP addresses; other names are refused.',
  }),
  profile: choice(['switch', 'fabric', 'ufm', 'dcgm', 'dcgm-4.9'], {
    default: 'switch',
    duties: ['generate'],
    shortFlag: '--profile',
    description:
      "The columns: switch and fabric have a row a switch, ufm a row a port with 31 figures, as the telemetry of UFM. dcgm and dcgm-4.9 are GPUs in Prometheus' text at /metrics, as dcgm-exporter has them up to 4.8 and from 4.9 on.",
  }),
  switches: integer(
    { min: 1, max: MOST_ROWS },
    { default: 50, duties: ['generate'], shortFlag: '--switches', description: 'How many switches there are.' },
  ),
  portsPerSwitch: integer(
    { min: 1, max: 1024 },
    {
      default: ({ given }) => {
        const switches = Number(given('generator.switches') ?? 1)
        return Math.min(PORTS_PER_SWITCH, Math.floor(MOST_ROWS / switches))
      },
      defaultText: '32, or as many as make 100,000 in all',
      duties: ['generate'],
      shortFlag: '--ports-per-switch',
      description: 'How many rows each switch has with ufm, at most 100,000 in all.',
    },
  ),
  gpus: integer(
    { min: 1, max: MOST_GPUS },
    { default: 8, duties: ['generate'], shortFlag: '--gpus', description: 'How many GPUs there are with dcgm.' },
  ),
  intervalMs: duration(
    { min: SECOND, max: HOUR },
    {
      default: 10 * SECOND,
      duties: ['generate'],
      shortFlag: '--interval-ms',
      description: 'How long a snapshot lives; meanwhile each request gets the same one.',
    },
  ),
  seed: integer(
    { min: 0, max: 2 ** 32 - 1 },
    {
      default: 0,
      defaultText: '0: another one at each start',
      duties: ['generate'],
      shortFlag: '--seed',
      description: 'From the same seed come the same values, snapshot by snapshot; only their times differ.',
    },
  ),
  repeat: choice(['full', 'not-modified'], {
    default: 'full',
    duties: ['generate'],
    reloads: true,
    shortFlag: '--repeat',
    description:
      'The answer to a client that has the snapshot and does not say so by If-None-Match or If-Modified-Since: all of it, or 304.',
  }),
  mode: choiceInAnyCase(['NONE', 'ERROR_500', 'CORRUPT', 'PARTIAL', 'EMPTY', 'SLOW', 'TIMEOUT', 'DROP', 'HUGE'], {
    default: 'NONE',
    duties: ['generate'],
    reloads: true,
    shortFlag: '--mode',
    description: 'The fault of each answer; a request can ask for another one with ?mode=.',
  }),
  push: url(['http', 'https'], {
    default: undefined,
    duties: ['generate'],
    shortFlag: '--push',
    description: 'The URL of an intake, which is sent each snapshot too.',
  }),
}
