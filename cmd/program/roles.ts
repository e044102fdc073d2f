import type { Role } from '../../internal/config/role.ts'
import type { Context } from './context.ts'

/** A role and how to run it: as a subcommand of `sentinel`, and as a program of its own. */
export interface RoleProgram extends Role {
  /** One sentence for the help. */
  readonly description: string
  /** Whole command lines for the help. */
  readonly examples: readonly string[]
  /**
   * Opens the parts of the role, each of which pushes its undo. It imports them itself, so that a program loads only
   * what it runs: an agent that also loaded DuckDB and the API was 40 MB larger and started half a second later.
   */
  readonly open: (context: Context) => Promise<void>
}

/**
 * Every role. The commands, the flags and the help of each role, `validate`, `doctor` and the table of settings in the
 * README follow from this table.
 *
 * A new role is an entry here and a folder `cmd/<role>` with `open.ts` and `main.ts`. Settings that no other role has
 * need a duty of their own (`internal/config/role.ts`, `settings.ts`). `roles.test.ts` fails until the image exposes
 * the admin port (`deploy/docker/Dockerfile`) and the README names the program. No test checks the rest: a service in
 * `docker-compose.yml`, its metrics in `docs/metrics.md`, a row in the tables of `docs/words.md` and
 * `docs/ARCHITECTURE.md`, and the role in the system tests that run every role (`cli`, `stop`, `reload`, `away`,
 * `docs`).
 */
export const ROLES = named({
  up: {
    description: 'Runs agent, server and api in one process, which needs neither Redis nor InfluxDB.',
    examples: [
      'sentinel up',
      'sentinel up --fabric      # with a switch fabric that is not there',
      'sentinel up --gpu gpus.csv      # plays a file with readings of GPUs',
      'sentinel up --api-port 9000 --duckdb-path /var/lib/sentinel/history.duckdb',
      'REDIS_URL=redis://127.0.0.1:6379 INFLUX_URL=http://127.0.0.1:8086 sentinel up',
    ],
    adminPort: 6060,
    duties: ['measure', 'ingest', 'serve', 'generate', 'embed'],
    open: async (context) => (await import('../up/open.ts')).open(context),
  },
  agent: {
    description:
      'Measures this host, asks switch fabrics and targets with metrics, reads files of GPU readings, and publishes the samples over Redis.',
    examples: [
      'agent --redis-url redis://10.0.0.5:6379',
      'agent --agent-interval-ms 250ms --agent-include cpu,mem,net',
      'agent --fabric-targets http://10.0.0.7:9001/counters,/var/lib/ufm/ports.csv   # switches and ports',
      'agent --scrape-targets http://127.0.0.1:9400/metrics   # GPUs, or any metrics for Prometheus',
      "agent --gpu '/var/log/dcgm/*.csv'                                             # readings of GPUs",
      'HOST_PROC=/host/proc HOST_SYS=/host/sys HOST_MOUNT_PREFIX=/host/root agent   # from a container',
    ],
    adminPort: 9101,
    duties: ['measure'],
    open: async (context) => (await import('../agent/open.ts')).open(context),
  },
  server: {
    description: 'Consumes what agents publish, writes it to InfluxDB, and publishes the live feed.',
    examples: [
      'server --redis-url redis://10.0.0.5:6379 --influx-url http://10.0.0.6:8086 --influx-token-file /run/secrets/influx',
      'server --broker-kind streams      # at least once',
      'server --stats-every 1000         # latencies every 1,000 messages',
    ],
    adminPort: 6060,
    duties: ['ingest'],
    open: async (context) => (await import('../server/open.ts')).open(context),
  },
  api: {
    description: 'Answers requests for current values and history, streams live values, and serves the page.',
    examples: [
      'api --redis-url redis://10.0.0.5:6379 --influx-url http://10.0.0.6:8086',
      'api --api-host 0.0.0.0 --api-port 80',
    ],
    adminPort: 6061,
    duties: ['serve'],
    open: async (context) => (await import('../api/open.ts')).open(context),
  },
  generator: {
    description:
      'Plays a switch fabric, or GPUs: serves the counters of its switches or ports as CSV, and faults on request.',
    examples: [
      'generator                                              # 50 switches: http://127.0.0.1:9001/counters',
      'generator --profile ufm --switches 3125 --seed 7       # 100,000 ports, the same ones at each start',
      "generator --profile dcgm --gpus 1000                   # GPUs in Prometheus' text: http://127.0.0.1:9001/metrics",
      'generator --repeat not-modified --mode SLOW',
      'generator --push http://127.0.0.1:8080/telemetry/counters',
      'curl "http://127.0.0.1:9001/counters?mode=PARTIAL"     # one answer goes wrong',
    ],
    adminPort: 6062,
    duties: ['generate'],
    open: async (context) => (await import('../generator/open.ts')).open(context),
  },
  queue: {
    description: 'Takes and hands out messages over HTTP, with Redis Streams behind it and its disk beside it.',
    examples: [
      'queue --redis-url redis://10.0.0.5:6379                # http://127.0.0.1:8081',
      'queue --queue-topics telemetry,events --broker-partitions 8',
      'curl -X POST --data-binary @message "http://127.0.0.1:8081/produce?topic=telemetry&partition=0"',
      'curl -N "http://127.0.0.1:8081/consume?topic=telemetry&group=mine"',
    ],
    adminPort: 6063,
    duties: ['queue'],
    open: async (context) => (await import('../queue/open.ts')).open(context),
  },
})

export type RoleName = keyof typeof ROLES

/** `up` with the settings of every role, for commands that are given one of them. */
export const EVERY_ROLE: Role = {
  ...ROLES.up,
  duties: [...new Set(Object.values(ROLES).flatMap(({ duties }) => duties))],
}

/** In the order of the table. */
export const ROLE_NAMES = Object.keys(ROLES) as readonly RoleName[]

function named<Name extends string>(
  entries: Readonly<Record<Name, Omit<RoleProgram, 'name'>>>,
): Readonly<Record<Name, RoleProgram>> {
  const withNames = Object.entries<Omit<RoleProgram, 'name'>>(entries).map(([name, entry]) => [
    name,
    { name, ...entry },
  ])
  return Object.fromEntries(withNames) as Record<Name, RoleProgram>
}
