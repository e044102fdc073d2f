import { duration, hostNames, integer, port, size, text, texts } from '../setting.ts'
import { GIB, HOUR, KIB, listenerTls, MIB, SECOND } from './common.ts'

export const queue = {
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
}
