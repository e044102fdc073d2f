import { describe, expect, it } from 'vitest'
import { ConfigError } from '../../internal/config/error.ts'
import { readRunSettings } from './run-settings.ts'

describe('what is measured', () => {
  const formats: Array<[Record<string, string>, string]> = [
    [{}, 'packed'],
    [{ BINARY: 'true' }, 'packed'],
    [{ BINARY: 'false' }, 'json'],
    [{ BINARY: '0' }, 'json'],
    [{ BINARY: 'false', FORMAT: 'frame' }, 'frame'],
    [{ FORMAT: '' }, 'packed'],
  ]
  it.each(formats)('%o is %s', (env, format) => {
    expect(readRunSettings({}, env).options.format).toBe(format)
  })

  it('flags win over variables', () => {
    const { options } = readRunSettings({ workers: '3', profileSeconds: '7' }, { WORKERS: '5', DURATION: '2m' })
    expect(options.load).toMatchObject({ workers: 3, durationMs: 120_000, warmupMs: 5_000 })
    expect(options.profileSeconds).toBe(7)
  })

  it('a rate of 0 is a closed loop, and comparing has a rate', () => {
    expect(readRunSettings({}, {}).options.ratePerSecond).toBeUndefined()
    expect(readRunSettings({}, { PIPELINE: 'compare' }).options.ratePerSecond).toBe(20_000)
    expect(readRunSettings({}, { PIPELINE: 'compare', RATE: '0' }).options.ratePerSecond).toBeUndefined()
  })

  it.each(['0', 'false'])('PROFILE=%s takes none', (PROFILE) => {
    expect(readRunSettings({}, { PROFILE, PROFILE_SECONDS: '5' }).options.profileSeconds).toBe(0)
  })
})

it('shows all settings, and the command line that makes the same again', () => {
  const { shown, given } = readRunSettings({ out: "my friend's" }, { WORKERS: '128', DURATION: '120s' })
  expect(given).toBe("WORKERS=128 DURATION=2m OUT='my friend'\\''s'")
  expect(shown).toMatchObject({ WORKERS: '128', DURATION: '2m', WARMUP: '5s', FORMAT: 'packed', PROFILE_SECONDS: '30' })
})

describe('what cannot be', () => {
  const refused: Array<[Record<string, string>, string[]]> = [
    [{ SERVERS: '2' }, ['SERVERS: several servers share the work only with BROKER=streams']],
    [{ RATE: '-1' }, ['RATE: "-1" must be a whole number from 0 to 1000000']],
    [{ SAMPLES: '5' }, ['SAMPLES: a message of packed has one sample: set FORMAT=frame']],
    [
      { PIPELINE: 'baseline', BROKER: 'streams' },
      ['PIPELINE: baseline needs BROKER=pubsub: the plain server has no other broker'],
    ],
    [
      { REDIS_PORT: '7000', SERVER_ADMIN_PORT: '7000' },
      ['SERVER_ADMIN_PORT: 7000 is also REDIS_PORT: set another port, or 0 for a free one'],
    ],
    [
      { PIPELINE: 'compare', BINARY: 'true' },
      ['PIPELINE: compare always uses JSON and Packed: leave FORMAT and BINARY out'],
    ],
    [
      { PROFILE: 'maybe', BROKER: 'nats' },
      ['BROKER: "nats" must be one of pubsub, streams', 'PROFILE: "maybe" must be true or false, or 1 or 0'],
    ],
  ]
  it.each(refused)('%o', (env, problems) => {
    const failure = (() => {
      try {
        return readRunSettings({}, env)
      } catch (error) {
        return error
      }
    })()
    expect(failure).toBeInstanceOf(ConfigError)
    expect((failure as ConfigError).problems).toEqual(problems)
  })

  it('names a flag as it was written', () => {
    expect(() => readRunSettings({ duration: 'abc' }, {})).toThrow('--duration: "abc" must be a time from 1s to')
  })
})
