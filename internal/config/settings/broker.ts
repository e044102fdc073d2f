import { hostname } from 'node:os'
import { hasDuty } from '../role.ts'
import {
  address,
  choice,
  type DefaultContext,
  duration,
  integer,
  integers,
  onOff,
  path,
  secret,
  secretFile,
  text,
  url,
} from '../setting.ts'
import { clientTls, DAY, HOUR, PIPELINE, REDIS_AND_DISK, SECOND } from './common.ts'

/** A role that embeds its broker uses Redis only when a setting names it. Every other role always uses Redis. */
const usesRedis = ({ role, given }: DefaultContext): boolean =>
  given('broker.kind') === undefined
    ? !hasDuty(role, 'embed') || given('redis.url') !== undefined
    : given('broker.kind') !== 'memory'

export const redis = {
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
}

export const broker = {
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
}
