import { choice, duration, size, text } from '../setting.ts'
import { DAY, GIB, HOUR, KIB, MIB, REDIS_AND_DISK, SECOND } from './common.ts'

export const data = {
  path: text({
    default: './data',
    duties: REDIS_AND_DISK,
    description: 'The folder for what waits (outbox, spool, overflow of the queue) and for dead letters.',
  }),
}

export const outbox = {
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
}

export const spool = {
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
}

export const deadLetters = {
  maxBytes: size(
    { min: MIB, max: 64 * GIB },
    {
      default: 64 * MIB,
      duties: ['ingest', 'measure'],
      reloads: true,
      description: 'The most bytes of dead letters that are kept; the oldest go first.',
    },
  ),
}
