import { describe, expect, it } from 'vitest'
import { parseRedisUrl, redactUrl } from './url.ts'

describe('redactUrl', () => {
  const cases: Array<[string, string]> = [
    ['redis://h:6379/1', 'redis://h:6379/1'],
    ['redis://:secret@h:6379', 'redis://***@h:6379'],
    ['rediss://user:se@cret@h', 'rediss://***@h'],
    ['user:secret@h', '***@h'],
    ['redis://:secret@h:not-a-port', 'redis://***@h:not-a-port'],
  ]
  it.each(cases)('%s', (url, want) => expect(redactUrl(url)).toBe(want))
})

describe('parseRedisUrl', () => {
  const cases: Array<[string, object]> = [
    ['redis://h', { host: 'h', port: 6379, database: 0, username: '', password: '', secure: false }],
    ['redis://h:1/2', { port: 1, database: 2, address: 'redis://h:1' }],
    [
      'rediss://u:p%40%2F@[::1]:7',
      { host: '::1', username: 'u', password: 'p@/', secure: true, address: 'rediss://[::1]:7' },
    ],
  ]
  it.each(cases)('%s', (url, want) => expect(parseRedisUrl(url)).toMatchObject(want))

  it.each(['', 'h:6379', 'http://:secret@h', 'redis://', 'redis://:secret@h:port', 'redis://:secret@h/x'])(
    'refuses %j without showing its password',
    (url) => {
      expect(() => parseRedisUrl(url)).toThrow('is not a Redis URL')
      expect(() => parseRedisUrl(url)).not.toThrow('secret')
    },
  )
})
