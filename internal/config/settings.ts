import { hostname } from 'node:os'
import { type Duty, hasDuty, type Role } from './role.ts'
import {
  address,
  choice,
  choiceInAnyCase,
  choices,
  type DefaultContext,
  duration,
  headerSecret,
  hostNames,
  integer,
  integers,
  isUsedBy,
  namedTargets,
  onOff,
  optionalText,
  origins,
  path,
  port,
  type Setting,
  scrapeTargets,
  secret,
  secretFile,
  size,
  someOf,
  targets,
  text,
  texts,
  url,
} from './setting.ts'

const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
const KIB = 1024
const MIB = 1024 * KIB
const GIB = 1024 * MIB

/** What a role does with samples, for which it needs a broker and a place on disk. */
const PIPELINE: readonly Duty[] = ['measure', 'ingest', 'serve']
/** What stands between Redis and the disk. */
const REDIS_AND_DISK: readonly Duty[] = [...PIPELINE, 'queue']
/** The most rows of a snapshot: ports of a large fabric. */
export const MOST_ROWS = 100_000
/** Of a made-up dcgm-exporter: 100,000 lines and more. */
const MOST_GPUS = 10_000
/** Of a switch of 400 Gbit/s with half of its ports in use. */
const PORTS_PER_SWITCH = 32

/** A role that embeds its broker uses Redis only when a setting names it. Every other role always uses Redis. */
const usesRedis = ({ role, given }: DefaultContext): boolean =>
  given('broker.kind') === undefined
    ? !hasDuty(role, 'embed') || given('redis.url') !== undefined
    : given('broker.kind') !== 'memory'
/** The same for the store and InfluxDB. */
const usesInflux = ({ role, given }: DefaultContext): boolean =>
  given('store.kind') === undefined
    ? !hasDuty(role, 'embed') || given('influx.url') !== undefined
    : given('store.kind') === 'influx'

/** Files of readings are played again and again by `up`, which shows them, unless it is told otherwise. */
const isLooped = ({ role, given }: DefaultContext): boolean =>
  (given('gpu.csvMode') ?? (hasDuty(role, 'embed') ? 'loop' : 'follow')) === 'loop'

/** Of a listener. A new content of the files takes effect at once. */
const listenerTls = (duties?: readonly Duty[]) => {
  const of = duties === undefined ? {} : { duties }
  return {
    tlsCert: path({
      ...of,
      description: 'The certificate of that address, and those of the authorities between it and the root, in PEM: with it the port speaks TLS alone.', // biome-ignore format: one line
    }),
    tlsKey: path({ ...of, description: 'The key of that certificate, in PEM.' }),
    tlsClientCa: path({
      ...of,
      description: 'An authority, in PEM: then clients must show a certificate that it has signed.',
    }),
  }
}

/** Of a client. A new content of the files takes effect with the next connection. */
const clientTls = (whom: string, duties: readonly Duty[]) => ({
  caFile: path({
    duties,
    description: `The authority of the certificate of ${whom}, in PEM, in place of the public ones.`,
  }),
  certFile: path({ duties, description: `The certificate that is shown to ${whom}, in PEM.` }),
  keyFile: path({ duties, description: 'The key of that certificate, in PEM.' }),
  serverName: optionalText({
    duties,
    description: `The name in the certificate of ${whom}, where that is another than the one in the URL.`,
  }),
})

/**
 * Every setting of every role: one long table. A setting has the key `group.name`. The flag `--group-name`, the
 * variable `SENTINEL_GROUP_NAME`, the type `Settings`, the help and the README's table follow from the table, so a new
 * setting is one entry here.
 */
export const SCHEMA = {
  log: {
    level: choice(['trace', 'debug', 'info', 'warn', 'error', 'fatal'], {
      default: 'info',
      reloads: true,
      description: 'The lowest level of the lines that are logged.',
      alsoFrom: ['LOG_LEVEL'],
    }),
    format: choice(['auto', 'text', 'json'], {
      default: 'auto',
      description: 'The form of log lines; auto is text at a terminal and JSON elsewhere.',
    }),
  },
  admin: {
    host: text({
      default: '127.0.0.1',
      description: 'The address that serves /health, /ready and /metrics.',
    }),
    port: port({
      default: ({ role }) => role.adminPort,
      description: 'The port of that address; 0 takes a free port.',
    }),
    hosts: hostNames({
      default: [],
      defaultText: 'none',
      reloads: true,
      description: 'The names in URLs of that address, beside localhost and IP addresses; other names are refused.',
    }),
    ...listenerTls(),
  },
  auth: {
    keysFile: text({
      default: ({ given }) => `${String(given('data.path') ?? './data').replace(/\/$/, '')}/keys.json`,
      defaultText: 'keys.json in data.path',
      description:
        'The file of the keys that "sentinel keys create" makes. Without a key the API, and the queue, answer this machine alone.',
    }),
    key: headerSecret({
      reloads: true,
      description: 'One more key, with every scope.',
      alsoFrom: ['API_KEY'],
    }),
    keyFile: secretFile('key', {
      reloads: true,
      description: 'A file that holds it.',
      alsoFrom: ['API_KEY_FILE'],
    }),
    serviceToken: headerSecret({
      reloads: true,
      description:
        'The token by which roles know each other: what an agent or a generator sends to a queue or an intake, and what opens the admin listener of another machine.',
      alsoFrom: ['SERVICE_TOKEN'],
    }),
    serviceTokenFile: secretFile('serviceToken', {
      reloads: true,
      description: 'A file that holds it.',
      alsoFrom: ['SERVICE_TOKEN_FILE'],
    }),
    public: someOf(['metrics', 'debug', 'telemetry', 'queue'], {
      reloads: true,
      description:
        'What is open to everybody, without a key: /metrics; /debug/ of the admin listener; reads of /telemetry/; all of the queue.',
    }),
    firstKey: onOff({
      default: false,
      duties: ['serve', 'queue'],
      description: 'Whether a start without any key makes one with every scope, and prints it, once.',
    }),
  },
  redis: {
    url: url(
      ['redis', 'rediss'],
      {
        default: (context) => (usesRedis(context) ? 'redis://127.0.0.1:6379' : undefined),
        defaultText: 'redis://127.0.0.1:6379; with up none',
        duties: REDIS_AND_DISK,
        description: 'The Redis server; rediss:// for TLS. With up, a URL here replaces the memory broker.',
        alsoFrom: ['REDIS_URL'],
      },
      /^\/?\d*$/,
    ),
    urlFile: secretFile('url', {
      duties: REDIS_AND_DISK,
      description: 'A file that holds the URL, for a URL with a password.',
      alsoFrom: ['REDIS_URL_FILE'],
    }),
    password: secret({
      duties: REDIS_AND_DISK,
      description: 'The password of Redis; wins over a password in the URL.',
      alsoFrom: ['REDIS_PASSWORD'],
    }),
    passwordFile: secretFile('password', {
      duties: REDIS_AND_DISK,
      description: 'A file that holds the password.',
      alsoFrom: ['REDIS_PASSWORD_FILE'],
    }),
    ...clientTls('Redis', REDIS_AND_DISK),
  },
  broker: {
    kind: choice(['memory', 'pubsub', 'streams'], {
      default: (context) => (usesRedis(context) ? 'pubsub' : 'memory'),
      defaultText: 'pubsub; with up and no redis.url memory',
      duties: PIPELINE,
      description:
        'How messages travel: pubsub is fastest and counts losses; streams delivers at least once; memory stays inside one process (up only).',
    }),
    useHttp: onOff({
      default: false,
      duties: ['measure'],
      description:
        'Whether an agent publishes through a gateway of the queue, for agents that reach no Redis. It cannot ask switch fabrics then.',
      alsoFrom: ['USE_HTTP_QUEUE'],
    }),
    httpUrl: address({
      default: 'http://127.0.0.1:8081',
      duties: ['measure'],
      description: 'The gateway of the queue that it publishes through.',
      alsoFrom: ['MSG_QUEUE_ADDR'],
    }),
    httpCaFile: path({
      duties: ['measure'],
      description: "The authority of that gateway's certificate, in PEM, in place of the public ones.",
    }),
    httpCertFile: path({ duties: ['measure'], description: 'The certificate that is shown to that gateway, in PEM.' }),
    httpKeyFile: path({ duties: ['measure'], description: 'The key of that certificate, in PEM.' }),
    topic: text({
      default: 'telemetry',
      duties: PIPELINE,
      description: 'The topic in the names of the streams: queue:{topic:partition}.',
      alsoFrom: ['MSG_QUEUE_TOPIC'],
    }),
    partitions: integer(
      { min: 1, max: 256 },
      {
        default: ({ role, given }) => (given('broker.kind') === 'streams' || hasDuty(role, 'queue') ? 4 : 1),
        defaultText: '4 with streams, 1 with pubsub',
        duties: REDIS_AND_DISK,
        description: 'The number of streams or channels that publishers are spread over; the same in every role.',
        alsoFrom: ['PARTITIONS_PER_TOPIC'],
      },
    ),
    consumes: integers(
      { min: 0, max: 255 },
      {
        default: [],
        defaultText: 'all',
        duties: ['ingest'],
        description: 'The partitions of pubsub that this server consumes; each partition belongs to one server.',
      },
    ),
    gatherMs: duration(
      { min: 0, max: 10 },
      {
        default: 2,
        duties: ['ingest'],
        description:
          'How long messages of pubsub gather before they are read together, from 2,000 a second on; 0 reads each at once.',
      },
    ),
    group: text({
      default: 'sentinel',
      duties: ['ingest'],
      description: 'The consumer group of streams; the servers of one group share the work.',
      alsoFrom: ['MSG_QUEUE_GROUP', 'REDIS_GROUP'],
    }),
    consumer: text({
      default: () => hostname(),
      defaultText: 'the host name',
      duties: ['ingest'],
      description: 'The name of this server: different on each server, and the same after a restart.',
    }),
    maxLength: integer(
      { min: 1000, max: 100_000_000 },
      {
        default: 250_000,
        duties: PIPELINE,
        description: 'The most entries of a stream, read or not; older entries are trimmed and counted.',
      },
    ),
    maxAgeMs: duration(
      { min: 0, max: 365 * DAY },
      {
        default: 0,
        defaultText: '0: by length alone',
        duties: PIPELINE,
        description: 'Trims the streams by age instead of length.',
      },
    ),
    visibilityMs: duration(
      { min: SECOND, max: HOUR },
      {
        default: 30 * SECOND,
        duties: ['ingest'],
        description: 'How long a server of streams may be silent before other servers claim its unstored messages.',
      },
    ),
  },
  store: {
    kind: choice(['influx', 'duckdb'], {
      default: (context) => (usesInflux(context) ? 'influx' : 'duckdb'),
      defaultText: 'influx; with up and no influx.url duckdb',
      duties: ['ingest', 'serve'],
      description: 'Where samples are kept; duckdb is a file that only one process can open (up only).',
    }),
  },
  influx: {
    url: url(['http', 'https'], {
      default: (context) => (usesInflux(context) ? 'http://127.0.0.1:8086' : undefined),
      defaultText: 'http://127.0.0.1:8086; with up none',
      duties: ['ingest', 'serve'],
      reloads: true,
      description: 'InfluxDB 1.x, 2.x or 3.x, or VictoriaMetrics. With up, a URL here replaces DuckDB.',
      alsoFrom: ['INFLUX_URL', 'INFLUXDB_URL'],
    }),
    browserUrl: url(['http', 'https'], {
      default: undefined,
      duties: ['ingest', 'serve'],
      description: 'The URL of InfluxDB for a browser, where it is another than influx.url: for links to dashboards.',
    }),
    urlFile: secretFile('url', {
      duties: ['ingest', 'serve'],
      reloads: true,
      description: 'A file that holds the URL, for a URL with a password.',
      alsoFrom: ['INFLUX_URL_FILE', 'INFLUXDB_URL_FILE'],
    }),
    token: secret({
      duties: ['ingest', 'serve'],
      reloads: true,
      description: 'The API token of InfluxDB 2.x and 3.x.',
      alsoFrom: ['INFLUX_TOKEN', 'INFLUXDB_TOKEN'],
    }),
    tokenFile: secretFile('token', {
      duties: ['ingest', 'serve'],
      reloads: true,
      description: 'A file that holds the token.',
      alsoFrom: ['INFLUX_TOKEN_FILE', 'INFLUXDB_TOKEN_FILE'],
    }),
    org: text({
      default: '',
      defaultText: 'none',
      duties: ['ingest', 'serve'],
      reloads: true,
      description: 'The organization of InfluxDB 2.x: its name or id.',
      alsoFrom: ['INFLUX_ORG', 'INFLUXDB_ORG'],
    }),
    orgFile: secretFile('org', {
      duties: ['ingest', 'serve'],
      reloads: true,
      description: 'A file that holds the name of the organization.',
      alsoFrom: ['INFLUX_ORG_FILE', 'INFLUXDB_ORG_FILE'],
    }),
    bucket: text({
      default: 'telemetry',
      duties: ['ingest', 'serve'],
      reloads: true,
      description: 'The bucket: its name or id; with InfluxDB 1.x the database, or database/policy.',
      alsoFrom: ['INFLUX_BUCKET', 'INFLUXDB_BUCKET'],
    }),
    bucketFile: secretFile('bucket', {
      duties: ['ingest', 'serve'],
      reloads: true,
      description: 'A file that holds the name of the bucket.',
      alsoFrom: ['INFLUX_BUCKET_FILE', 'INFLUXDB_BUCKET_FILE'],
    }),
    username: optionalText({
      duties: ['ingest', 'serve'],
      reloads: true,
      description: 'The user of InfluxDB 1.x.',
      alsoFrom: ['INFLUX_USERNAME', 'INFLUXDB_USERNAME'],
    }),
    password: secret({
      duties: ['ingest', 'serve'],
      reloads: true,
      description: 'The password of that user.',
      alsoFrom: ['INFLUX_PASSWORD', 'INFLUXDB_PASSWORD'],
    }),
    passwordFile: secretFile('password', {
      duties: ['ingest', 'serve'],
      reloads: true,
      description: 'A file that holds the password.',
      alsoFrom: ['INFLUX_PASSWORD_FILE', 'INFLUXDB_PASSWORD_FILE'],
    }),
    ...clientTls('InfluxDB', ['ingest', 'serve']),
    writePath: choice(['auto', 'v1', 'v2'], {
      default: 'auto',
      duties: ['ingest'],
      reloads: true,
      description: 'The path of writes: v1 is /write, v2 is /api/v2/write; auto asks the server.',
    }),
    gzip: onOff({
      default: false,
      duties: ['ingest'],
      reloads: true,
      description: 'Whether writes are compressed: less network, more CPU.',
    }),
    timeoutMs: duration(
      { min: 100, max: 10 * MINUTE },
      {
        default: 10 * SECOND,
        duties: ['ingest', 'serve'],
        reloads: true,
        description: 'How long InfluxDB may take to answer.',
      },
    ),
    maxSamples: integer(
      { min: 1, max: 100_000 },
      { default: 5000, duties: ['ingest'], reloads: true, description: 'The most samples of one write.' },
    ),
    maxBytes: size(
      { min: 64 * KIB, max: 64 * MIB },
      { default: MIB, duties: ['ingest'], reloads: true, description: 'The most bytes of one write.' },
    ),
    inFlight: integer(
      { min: 1, max: 16 },
      {
        default: 2,
        duties: ['ingest'],
        reloads: true,
        description: 'The most writes of new samples at the same time. Up to four more come from the spool.',
      },
    ),
  },
  duckdb: {
    path: text({
      default: './data/sentinel.duckdb',
      duties: ['embed'],
      description: 'The file of the embedded store.',
    }),
    retentionMs: duration(
      { min: HOUR, max: 3650 * DAY },
      { default: 7 * DAY, duties: ['embed'], description: 'How long the embedded store keeps samples.' },
    ),
    memoryLimitBytes: size(
      { min: 64 * MIB, max: 64 * GIB },
      { default: 256 * MIB, duties: ['embed'], description: 'The most memory that DuckDB uses.' },
    ),
  },
  agent: {
    host: text({
      default: () => hostname(),
      defaultText: 'the host name',
      duties: REDIS_AND_DISK,
      description: 'The tag host of this machine.',
    }),
    intervalMs: duration(
      { min: 100, max: HOUR },
      {
        default: SECOND,
        duties: ['measure'],
        reloads: true,
        description: 'The interval between two measurements of the host.',
      },
    ),
    include: choices(['cpu', 'mem', 'swap', 'system', 'processes', 'net', 'diskio', 'disk'], {
      duties: ['measure'],
      reloads: true,
      description: 'The measurements that are taken.',
    }),
    netExclude: texts({
      // The host's ends of the interfaces of containers and virtual machines: Docker, Podman, LXD and most of Kubernetes
      // (veth), systemd-nspawn (ve-, vb-), Calico (cali), Cilium (lxc and twelve digits: lxcbr0 is a bridge), the
      // networks of AWS, Azure and Google (eni, azv, gke), libvirt (vnet), Proxmox (fw, tap100i0), OpenStack (tap and
      // eleven characters: tap0 is a VPN's), Xen (vif).
      default: [
        ...['veth*', 've-*', 'vb-*', 'cali*', 'lxc????????????', 'lxc_health', 'eni*', 'azv*', 'gke*'],
        ...['vnet*', 'fwbr*', 'fwln*', 'fwpr*', 'tap???i?', 'tap????i?', 'tap???????????', 'vif*'],
      ],
      defaultText: 'those of containers and virtual machines',
      duties: ['measure'],
      reloads: true,
      description:
        'Network interfaces that are not measured: a list of names, in which * stands for any characters and ? for one. It replaces the default.',
    }),
    procRoot: text({
      default: '/proc',
      duties: ['measure'],
      description: "Where the host's /proc is mounted, for an agent in a container.",
      alsoFrom: ['HOST_PROC'],
    }),
    sysRoot: text({
      default: '/sys',
      duties: ['measure'],
      description: "Where the host's /sys is mounted.",
      alsoFrom: ['HOST_SYS'],
    }),
    mountRoot: text({
      default: '/',
      duties: ['measure'],
      description: "Where the host's root file system is mounted.",
      alsoFrom: ['HOST_MOUNT_PREFIX'],
    }),
  },
  fabric: {
    targets: targets({
      default: [],
      defaultText: 'none',
      duties: ['measure'],
      description:
        'The switch fabric that is asked: addresses and files with a row of CSV a switch or port. Its name is default.',
    }),
    targetsFile: secretFile('targets', {
      duties: ['measure'],
      description: 'A file that holds them, one a line, for URLs with a password.',
    }),
    named: namedTargets({
      default: [],
      defaultText: 'none',
      duties: ['measure'],
      description:
        'The same for several fabrics: east=http://10.0.0.7:9001/counters. All targets with one name are one fabric.',
    }),
    namedFile: secretFile('named', {
      duties: ['measure'],
      description: 'A file that holds them, one a line, for URLs with a password.',
    }),
    intervalMs: duration(
      { min: 100, max: HOUR },
      { default: 10 * SECOND, duties: ['measure'], description: 'How often each target is asked.' },
    ),
    timeoutMs: duration(
      { min: 100, max: 10 * MINUTE },
      { default: 10 * SECOND, duties: ['measure'], description: 'How long all of an answer may take.' },
    ),
    maxBodyBytes: size(
      { min: KIB, max: GIB },
      { default: 256 * MIB, duties: ['measure'], description: 'The most bytes of an answer, unpacked.' },
    ),
    gzip: onOff({
      default: false,
      duties: ['measure'],
      description: 'Whether targets are asked for gzip: less network, more CPU.',
    }),
    generator: onOff({
      default: false,
      duties: ['embed'],
      shortFlag: '--fabric',
      description: 'Whether a generator runs in this process too, and is asked as the fabric made-up.',
    }),
  },
  scrape: {
    targets: scrapeTargets({
      default: [],
      defaultText: 'none',
      duties: ['measure'],
      reloads: true,
      description:
        "Addresses with metrics in Prometheus' text, as those of dcgm-exporter, UFM or node_exporter: db=http://10.0.0.7:9100/metrics.",
    }),
    targetsFile: secretFile('targets', {
      duties: ['measure'],
      reloads: true,
      description:
        'A file that holds them: one a line, or YAML with interval, host, credentials and TLS of each. It is read again when it has changed.',
    }),
    intervalMs: duration(
      { min: 100, max: HOUR },
      { default: 15 * SECOND, duties: ['measure'], reloads: true, description: 'How often each target is asked.' },
    ),
    timeoutMs: duration(
      { min: 100, max: HOUR },
      {
        default: ({ given }) => Math.min(10 * SECOND, Number(given('scrape.intervalMs') ?? Infinity)),
        defaultText: '10s, or scrape.intervalMs where that is shorter',
        duties: ['measure'],
        reloads: true,
        description: 'How long all of an answer may take.',
      },
    ),
    maxBodyBytes: size(
      { min: KIB, max: GIB },
      { default: 64 * MIB, duties: ['measure'], reloads: true, description: 'The most bytes of an answer, unpacked.' },
    ),
    maxSeries: integer(
      { min: 1, max: 5_000_000 },
      {
        default: 250_000,
        duties: ['measure'],
        description: 'The most series of a target; lines of further ones are left out and counted.',
      },
    ),
    tagLabels: texts({
      default: [],
      defaultText: 'none',
      duties: ['measure'],
      description: 'Labels of GPUs that become tags too, beside those that name the GPU.',
    }),
    gzip: onOff({
      default: true,
      duties: ['measure'],
      reloads: true,
      description: 'Whether targets are asked for gzip: less network, more CPU.',
    }),
  },
  gpu: {
    csv: texts({
      default: [],
      defaultText: 'none',
      duties: ['measure', 'embed'],
      shortFlag: '--gpu',
      description: 'Files with a reading of a GPU a row, folders of such files, and patterns with * and ?.',
      alsoFrom: ['CSV_PATH'],
    }),
    csvMode: choice(['follow', 'once', 'loop'], {
      default: (context) => (isLooped(context) ? 'loop' : 'follow'),
      defaultText: 'follow; with up loop',
      duties: ['measure'],
      description:
        'How files are read: follow to their end, as they grow, and after a restart on from there; once to their end; loop again and again.',
    }),
    csvTime: choice(['recorded', 'now'], {
      default: (context) => (isLooped(context) ? 'now' : 'recorded'),
      defaultText: 'recorded; with gpu.csvMode loop now',
      duties: ['measure'],
      description: 'The time that readings get: their own, or that of now.',
    }),
    csvPace: choice(['full', 'recorded'], {
      default: (context) => (isLooped(context) ? 'recorded' : 'full'),
      defaultText: 'full; with gpu.csvMode loop recorded',
      duties: ['measure'],
      description: 'Whether rows follow each other as fast as they are taken, or as they were recorded.',
    }),
    csvRowsPerSecond: integer(
      { min: 0, max: 10_000_000 },
      { default: 0, duties: ['measure'], description: 'The most rows a second; 0: as many as are taken.' },
    ),
    csvDelayMs: duration(
      { min: 0, max: MINUTE },
      {
        default: 0,
        duties: ['measure'],
        description: 'The same as a pause after each row: 10ms are 100 rows a second.',
        alsoFrom: ['CSV_DELAY_MS'],
      },
    ),
    nvidiaSmi: onOff({
      default: false,
      duties: ['measure'],
      description: 'Whether the GPUs of this host are measured with nvidia-smi.',
    }),
    nvidiaSmiPath: text({
      default: 'nvidia-smi',
      duties: ['measure'],
      description: 'The program: a path, or a name that is looked for.',
    }),
    nvidiaSmiIntervalMs: duration(
      { min: SECOND, max: HOUR },
      { default: 10 * SECOND, duties: ['measure'], description: 'How often it says a line a GPU, in whole seconds.' },
    ),
    tagLabels: texts({
      default: [],
      defaultText: 'none',
      duties: ['measure'],
      description: 'Labels of readings that become tags, beside those that name a GPU.',
    }),
  },
  data: {
    path: text({
      default: './data',
      duties: REDIS_AND_DISK,
      description: 'The folder for what waits (outbox, spool, overflow of the queue) and for dead letters.',
    }),
  },
  outbox: {
    maxBytes: size(
      { min: MIB, max: 4 * GIB },
      {
        default: 64 * MIB,
        duties: ['measure'],
        reloads: true,
        description: 'The most bytes that an agent keeps while no server listens.',
      },
    ),
    maxAgeMs: duration(
      { min: SECOND, max: 7 * DAY },
      { default: HOUR, duties: ['measure'], reloads: true, description: 'How long an agent keeps them.' },
    ),
  },
  spool: {
    maxBytes: size(
      { min: 16 * MIB, max: 1024 * GIB },
      {
        default: GIB,
        duties: ['ingest'],
        reloads: true,
        description: 'The most bytes that a server of pubsub or memory keeps on disk while the store is away.',
      },
    ),
    whenFull: choice(['block', 'drop-oldest', 'drop-newest'], {
      default: 'block',
      duties: ['ingest'],
      reloads: true,
      description:
        'What a server does when its spool is full: block stops taking messages, so that agents keep them; the others drop samples and count them.',
    }),
    replayBytesPerSecond: size(
      { min: 64 * KIB, max: 16 * GIB },
      {
        default: GIB,
        duties: ['ingest'],
        reloads: true,
        description:
          'The most that is written from the spool to the store. Below it, the spool is written as fast as the store has room beside new samples.',
      },
    ),
  },
  deadLetters: {
    maxBytes: size(
      { min: MIB, max: 64 * GIB },
      {
        default: 64 * MIB,
        duties: ['ingest', 'measure'],
        reloads: true,
        description: 'The most bytes of dead letters that are kept; the oldest go first.',
      },
    ),
  },
  ingest: {
    flushMinMs: duration(
      { min: 1, max: 10 * SECOND },
      {
        default: 10,
        duties: ['ingest'],
        reloads: true,
        description:
          'The least age at which a batch is sealed: that of a batch after a silence. Wins over ingest.durableTargetMs.',
      },
    ),
    flushMaxMs: duration(
      { min: 1, max: MINUTE },
      {
        default: 250,
        duties: ['ingest'],
        reloads: true,
        description: 'The most age at which a batch is sealed: that of a store too slow for ingest.durableTargetMs.',
      },
    ),
    durableTargetMs: duration(
      { min: 1, max: MINUTE },
      {
        default: 50,
        duties: ['ingest'],
        reloads: true,
        description:
          'Within this time 99 of 100 messages shall be in the store. What a write leaves of it, batches wait for more samples: the longer, the fewer writes.',
      },
    ),
    queueMaxBytes: size(
      { min: MIB, max: 16 * GIB },
      {
        default: 64 * MIB,
        duties: ['ingest'],
        reloads: true,
        description: 'The most bytes in memory that wait for the store.',
      },
    ),
    maxFutureMs: duration(
      { min: SECOND, max: 365 * DAY },
      {
        default: 10 * MINUTE,
        duties: ['ingest'],
        reloads: true,
        description: 'A sample whose time is further in the future is rejected.',
      },
    ),
    maxAgeMs: duration(
      { min: MINUTE, max: 36_500 * DAY },
      {
        default: 3650 * DAY,
        duties: ['ingest'],
        reloads: true,
        description: 'A sample whose time is further in the past is rejected.',
      },
    ),
    maxSeries: integer(
      { min: 100, max: 10_000_000 },
      {
        default: 1_000_000,
        duties: ['ingest'],
        description:
          'The most series that a server keeps in memory, 0.5 KB each, within half of the memory; samples of further series are stored, but not shown live.',
      },
    ),
  },
  stats: {
    intervalMs: duration(
      { min: 100, max: DAY },
      {
        default: 10 * SECOND,
        duties: ['ingest'],
        reloads: true,
        description: 'The interval between two logs of the latencies.',
      },
    ),
    every: integer(
      { min: 0, max: 1_000_000_000 },
      {
        default: 0,
        defaultText: '0: by time',
        duties: ['ingest'],
        reloads: true,
        description: 'Logs the latencies after this many messages, not by time.',
      },
    ),
  },
  live: {
    intervalMs: duration(
      { min: 50, max: MINUTE },
      {
        default: 250,
        duties: ['ingest', 'serve'],
        description: 'The interval at which servers send changes to the API, and the API to its clients.',
      },
    ),
  },
  api: {
    host: text({
      default: '127.0.0.1',
      duties: ['serve'],
      description: 'The address that serves the API and the page.',
    }),
    port: port({ default: 8080, duties: ['serve'], description: 'The port of that address; 0 takes a free port.' }),
    ...listenerTls(['serve']),
    hosts: hostNames({
      default: [],
      defaultText: 'none',
      duties: ['serve'],
      reloads: true,
      description:
        'The names in URLs of the page and the API, beside localhost and IP addresses: dash.example.com. Other names are refused.',
    }),
    browserUrl: url(['http', 'https'], {
      default: undefined,
      defaultText: 'the address',
      duties: ['serve'],
      description:
        'The URL of the page for a browser, where a port is published or a proxy stands before it: for log lines.',
    }),
    staleAfterMs: duration(
      { min: SECOND, max: DAY },
      {
        default: 10 * SECOND,
        duties: ['serve'],
        reloads: true,
        description:
          'A series is stale when nothing of it has arrived for so long, or for three intervals of its source where that is longer; a host when all are.',
      },
    ),
    telemetryShape: choice(['array', 'object'], {
      default: 'array',
      duties: ['serve'],
      description:
        'What GET /telemetry/ListMetrics answers where the client asks for no shape: a list with an object for each switch, or one object.',
    }),
    requestsPerMinute: integer(
      { min: 1, max: 1_000_000_000 },
      {
        default: 600,
        duties: ['serve'],
        reloads: true,
        description: 'The most requests without a key of one client address in a minute; this machine has no limit.',
      },
    ),
    requestsPerMinutePerKey: integer(
      { min: 1, max: 1_000_000_000 },
      {
        default: 6_000,
        duties: ['serve'],
        reloads: true,
        description: 'The most requests with one key in a minute, from wherever they come.',
      },
    ),
    sharedLimits: onOff({
      default: false,
      duties: ['serve'],
      description:
        'Whether several APIs count these requests together, over Redis; while it is away each counts alone. Their user of Redis needs the right to ~rate:* then.',
    }),
    maxLiveClients: integer(
      { min: 1, max: 10_000 },
      { default: 200, duties: ['serve'], reloads: true, description: 'The most live streams at the same time.' },
    ),
    maxLiveClientsPerAddress: integer(
      { min: 1, max: 10_000 },
      {
        default: 50,
        duties: ['serve'],
        reloads: true,
        description: 'The most live streams of one client address (IPv6: of one /64); this machine has no limit.',
      },
    ),
    maxConnectionsPerAddress: integer(
      { min: 1, max: 10_000 },
      {
        default: 256,
        duties: ['serve'],
        reloads: true,
        description:
          'The most connections of one client address (IPv6: of one /64); this machine, and clients of a proxy with api.trustProxy, have no limit.',
      },
    ),
    liveQueueSeries: integer(
      { min: 100, max: 1_000_000 },
      {
        default: 20_000,
        duties: ['serve'],
        reloads: true,
        description: 'The most changed series that wait for a slow client; the oldest are left out.',
      },
    ),
    corsOrigins: origins({
      default: [],
      defaultText: 'none',
      duties: ['serve'],
      description: 'The origins whose pages may read the API.',
    }),
    trustProxy: onOff({
      default: false,
      duties: ['serve'],
      description:
        'Whether the address of a client comes from X-Forwarded-For, and the name in its URL from X-Forwarded-Host; only behind a proxy that sets both, and that nobody can go around.',
    }),
  },
  intake: {
    enabled: onOff({
      default: true,
      duties: ['serve'],
      description:
        'Whether the API takes samples over HTTP; over pubsub it answers 503, because Redis keeps no message there.',
    }),
    maxHeldBytes: size(
      { min: MIB, max: 4 * GIB },
      {
        default: 128 * MIB,
        duties: ['serve'],
        reloads: true,
        description:
          'The most bytes of taken samples that wait for the broker, in memory and on disk; beyond it requests get 429.',
      },
    ),
    maxBodyBytes: size(
      { min: KIB, max: GIB },
      { default: 32 * MIB, duties: ['serve'], reloads: true, description: 'The largest body of a request, unpacked.' },
    ),
    maxPackedBytes: size(
      { min: KIB, max: GIB },
      {
        default: 16 * MIB,
        duties: ['serve'],
        reloads: true,
        description: 'The largest body of a request as it is sent, where it is packed.',
      },
    ),
    maxReadingBytes: size(
      { min: MIB, max: 16 * GIB },
      {
        default: 128 * MIB,
        duties: ['serve'],
        reloads: true,
        description:
          'The most bytes of all bodies that are read at the same time; further ones wait in their connections.',
      },
    ),
    maxLines: integer(
      { min: 1, max: 100_000_000 },
      {
        default: 200_000,
        duties: ['serve'],
        reloads: true,
        description: 'The most lines, rows or samples of a request.',
      },
    ),
    maxLineBytes: size(
      { min: 100, max: MIB },
      { default: 256 * KIB, duties: ['serve'], reloads: true, description: 'The longest line.' },
    ),
    maxSeries: integer(
      { min: 1000, max: 10_000_000 },
      {
        default: 1_000_000,
        duties: ['serve'],
        description: 'The most series that are written to at the same time; samples of further ones are refused.',
      },
    ),
    requestsPerMinute: integer(
      { min: 1, max: 1_000_000_000 },
      {
        default: 60_000,
        duties: ['serve'],
        reloads: true,
        description:
          'The most requests with samples, without a key, of one client address in a minute; this machine has no limit.',
      },
    ),
    requestsPerMinutePerKey: integer(
      { min: 1, max: 1_000_000_000 },
      {
        default: 600_000,
        duties: ['serve'],
        reloads: true,
        description: 'The most requests with samples and one key in a minute.',
      },
    ),
  },
  generator: {
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
  },
  queue: {
    host: text({
      default: '127.0.0.1',
      duties: ['queue'],
      description: 'The address that serves /produce, /consume and /ack.',
    }),
    port: port({ default: 8081, duties: ['queue'], description: 'The port of that address; 0 takes a free port.' }),
    ...listenerTls(['queue']),
    hosts: hostNames({
      default: [],
      defaultText: 'none',
      duties: ['queue'],
      reloads: true,
      description: 'The names in URLs of that address, beside localhost and IP addresses; other names are refused.',
    }),
    topics: texts({
      default: ['telemetry'],
      duties: ['queue'],
      description: 'The topics that are there from the start. Others are there once someone asks for them.',
      alsoFrom: ['TOPICS'],
    }),
    maxTopics: integer(
      { min: 1, max: 1000 },
      { default: 16, duties: ['queue'], description: 'The most topics that there may be.' },
    ),
    maxPartitions: integer(
      { min: 1, max: 256 },
      {
        default: 64,
        duties: ['queue'],
        description:
          'The most partitions of a topic. It begins with broker.partitions, and others are there once someone asks for them.',
        alsoFrom: ['MAX_PARTITIONS'],
      },
    ),
    maxUnacked: integer(
      { min: 10, max: 10_000_000 },
      {
        default: 2000,
        duties: ['queue'],
        reloads: true,
        description:
          'The most messages of a partition in Redis that some group has not acknowledged; what comes beyond waits on the disk of the gateway.',
        alsoFrom: ['QUEUE_SIZE'],
      },
    ),
    visibilityMs: duration(
      { min: SECOND, max: HOUR },
      {
        default: 30 * SECOND,
        duties: ['queue'],
        reloads: true,
        description: 'How long a consumer may take to acknowledge a message before another one gets it.',
        alsoFrom: ['VISIBILITY_TIMEOUT'],
      },
    ),
    maxInFlight: integer(
      { min: 1, max: 100_000 },
      {
        default: 256,
        duties: ['queue'],
        reloads: true,
        description: 'The most messages that a consumer has without having acknowledged them.',
      },
    ),
    maxBytes: size(
      { min: MIB, max: 1024 * GIB },
      {
        default: GIB,
        duties: ['queue'],
        reloads: true,
        description: 'The most bytes that wait on the disk of the gateway; beyond them it answers 507.',
      },
    ),
    maxBodyBytes: size(
      { min: KIB, max: 64 * MIB },
      { default: 8 * MIB, duties: ['queue'], description: 'The most bytes of a message.' },
    ),
    maxConsumers: integer(
      { min: 1, max: 10_000 },
      { default: 500, duties: ['queue'], reloads: true, description: 'The most consumers at the same time.' },
    ),
    maxConnectionsPerAddress: integer(
      { min: 1, max: 10_000 },
      {
        default: 512,
        duties: ['queue'],
        reloads: true,
        description: 'The most connections of one client address (IPv6: of one /64); this machine has no limit.',
      },
    ),
  },
  stop: {
    deadlineMs: duration(
      { min: SECOND, max: 10 * MINUTE },
      { default: 25 * SECOND, reloads: true, description: 'How long a graceful stop may take.' },
    ),
  },
} satisfies Record<string, Record<string, Setting<unknown>>>

type Schema = typeof SCHEMA
type ValueOf<S> = S extends Setting<infer T> ? T : never

/** All settings with their values: `settings.agent.intervalMs`. */
export type Settings = {
  readonly [Group in keyof Schema]: { readonly [Name in keyof Schema[Group]]: ValueOf<Schema[Group][Name]> }
}

/** `agent.intervalMs`, or `agent` for all of a group. */
export type SettingKey = { [Group in keyof Schema]: Group | `${Group}.${keyof Schema[Group] & string}` }[keyof Schema]

/** The headings of the help. */
export const GROUPS: Readonly<Record<keyof Schema, string>> = {
  log: 'Log',
  admin: 'Admin listener',
  auth: 'Who may ask',
  redis: 'Redis',
  broker: 'Broker',
  store: 'Store',
  influx: 'InfluxDB',
  duckdb: 'DuckDB',
  agent: 'Host metrics',
  fabric: 'Switch fabrics',
  scrape: "Metrics in Prometheus' text",
  gpu: 'Readings of GPUs',
  data: 'Data on disk',
  outbox: 'Outbox of the agent',
  spool: 'Spool of the server',
  deadLetters: 'Dead letters',
  ingest: 'Ingest',
  stats: 'Latency lines in the log',
  live: 'Live feed',
  api: 'API and page',
  intake: 'Intake of samples over HTTP',
  generator: 'Generator',
  queue: 'Queue',
  stop: 'Stop',
}

type KeyedSetting = readonly [key: string, setting: Setting<unknown>]

/** Every setting with its key, in the schema's order. */
export function allSettings(): readonly KeyedSetting[] {
  return Object.entries(SCHEMA).flatMap(([group, settings]) =>
    Object.entries<Setting<unknown>>(settings).map(([name, setting]) => [`${group}.${name}`, setting] as const),
  )
}

/** The settings that a role uses. */
export function settingsOf(role: Role): readonly KeyedSetting[] {
  return allSettings().filter(([, setting]) => isUsedBy(setting, role))
}
