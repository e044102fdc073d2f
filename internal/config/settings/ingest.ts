import { duration, integer, size } from '../setting.ts'
import { DAY, GIB, MIB, MINUTE, SECOND } from './common.ts'

export const ingest = {
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
}

export const stats = {
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
}

export const live = {
  intervalMs: duration(
    { min: 50, max: MINUTE },
    {
      default: 250,
      duties: ['ingest', 'serve'],
      description: 'The interval at which servers send changes to the API, and the API to its clients.',
    },
  ),
}
