import { expect, test } from 'vitest'
import type { CutOff } from '../../internal/broker/broker.ts'
import { cutOffVerdict } from './cut-off.ts'

const MIB = 2 ** 20
const byDefault = { hardBytes: 32 * MIB, softBytes: 8 * MIB, softMs: 60_000 }
const never = { hardBytes: Infinity, softBytes: Infinity, softMs: Infinity }

const ADVICE = 'a server that stands still for longer loses them. Put client-output-buffer-limit pubsub'

test.each<[string, CutOff, boolean, string]>([
  [
    'a low rate',
    { limit: byDefault, isAssumed: false, bytesPerSecond: 100 * 1024 },
    false,
    'Redis cuts a server off that leaves 32 MiB unread: 2 min of the present 100 KiB/s',
  ],
  [
    'a high rate',
    { limit: byDefault, isAssumed: false, bytesPerSecond: 12 * MIB },
    true,
    `Redis cuts a server off that leaves 32 MiB unread: 2.7 s of the present 12 MiB/s; ${ADVICE} 512mb 128mb 60 into redis.conf`,
  ],
  [
    'a limit of its own that is too small',
    { limit: { hardBytes: MIB, softBytes: MIB / 2, softMs: 5000 }, isAssumed: false, bytesPerSecond: MIB },
    true,
    `Redis cuts a server off that leaves 1 MiB unread: 1.0 s of the present 1 MiB/s; ${ADVICE} 256mb 64mb 60 into redis.conf`,
  ],
  [
    'a soft limit alone',
    { limit: { ...never, softBytes: 8 * MIB, softMs: 60_000 }, isAssumed: false, bytesPerSecond: MIB },
    false,
    'Redis cuts a server off that leaves 8 MiB unread for 1 min: 1 min of the present 1 MiB/s',
  ],
  [
    'no limit',
    { limit: never, isAssumed: false, bytesPerSecond: 12 * MIB },
    false,
    'Redis cuts no server off, however much waits for it: that takes memory of Redis',
  ],
  [
    'a user that may ask for neither',
    { limit: byDefault, isAssumed: true },
    false,
    'Redis cuts a server off that leaves 32 MiB unread (its default: its user may not ask, which takes +config|get); its user may not ask for the present rate, which takes +info',
  ],
])('says what the limit of Redis means, with %s', (_what, cutOff, warns, text) => {
  expect(cutOffVerdict(cutOff)).toEqual({ ok: true, text, ...(warns ? { warns } : {}) })
})
