import { integer, onOff, size } from '../setting.ts'
import { GIB, KIB, MIB } from './common.ts'

export const intake = {
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
}
