import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ROLES } from '../../cmd/program/roles.ts'
import { Redactor } from '../text/redactor.ts'
import { describeSettings } from './describe.ts'
import { ConfigError } from './error.ts'
import { loadSettings } from './load.ts'
import { secretsInUrl, showUrl } from './secret-url.ts'

describe('a URL that is shown', () => {
  test.each([
    ['http://h:8086', 'http://h:8086'],
    ['http://h:8086/', 'http://h:8086/'],
    ['http://[::1]:8086/influx', 'http://[::1]:8086/influx'],
    ['redis://h:6379/1', 'redis://h:6379/1'],
    ['redis://app:hun@hunter2@r', 'redis://app:***@r'],
    ['redis://:hunter2@r', 'redis://***@r'],
    ['redis://hunter2@r', 'redis://***@r'],
    ['http://hunter2:@h', 'http://***@h'],
    ['http:u:hunter2@h', 'http://u:***@h'],
    ['http:/u:hunter2@h', 'http://u:***@h'],
    ['http:\\\\u:hunter2@h', 'http://u:***@h'],
    ['http://u:hun\tter2@h', 'http://u:***@h'],
    ['HTTP://u:hunter2@h:1', 'http://u:***@h:1'],
    ['http://%68unter2@h', 'http://***@h'],
    ['http://h:1/?token=hunter2', 'http://h:1/?***'],
    ['http://h:1?token=hunter2&db=x#hunter2', 'http://h:1?***'],
    ['http://h?hunter2', 'http://h?***'],
    ['http://h#hunter2', 'http://h?***'],
    ['http://h?token=hunter2@hunter2', 'http://***'],
    ['http://u:1/hunter2@h', 'http://***@h'],
    ['http://u:a@b/hunter2@h', 'http://***@h'],
  ])('%j as %s', (written, shown) => {
    expect(showUrl(written, true)).toBe(shown)
  })

  test.each([
    ['htp://h:1', 'htp://h:1'],
    ['redis://:pass/word@h', 'redis://***@h'],
    ['redis://default:hunter2', 'redis://default***'],
    ['redis://:hunter2', 'redis://***'],
    ['redis:u:hunter2@h', 'redis:***@h'],
    ['http://u%3Ahunter2%40h', 'http://***@h'],
    ['http://u%3Ahunter2%2540h', 'http://***@h'],
    ['http://h:port?token=hunter2', 'http://h***'],
    ['u:hunter2@h', '***@h'],
    ['http://h:1/%zz?hunter2', 'http://h:1/***'],
  ])('%j, which is refused, as %s', (written, shown) => {
    expect(showUrl(written, false)).toBe(shown)
  })
})

/** Ways to write a URL with this secret. */
const WAYS: ReadonlyArray<(secret: string) => string> = [
  (secret) => `http://user:${secret}@h`,
  (secret) => `http:user:${secret}@h`,
  (secret) => `http:\\/user:${secret}@h:8086/path`,
  // What stands before a colon is the user, who is shown.
  (secret) => `http://${secret.replaceAll(':', '_')}@h`,
  (secret) => `http://:${secret}@h`,
  (secret) => `redis://:${secret}@h:6379/0`,
  (secret) => `rediss://user:${secret}@h`,
  (secret) => `http://h:8086/?token=${secret}`,
  (secret) => `http://h:8086?db=x&access_token=${secret}#x`,
  (secret) => `http://user:${encodeURIComponent(secret)}@h`,
  (secret) => `http://user:${encodeURIComponent(encodeURIComponent(secret))}@h`,
  (secret) => `redis://${encodeURIComponent(`user:${secret}@h`)}`,
]

/** Longer than any word around it, and of characters that URLs and passwords have. */
const secrets = fc
  .string({ minLength: 6, maxLength: 24, unit: fc.constantFrom(...'abXY019-_.~!$&*+,;=:@/?#%[]|\\ "\'<>ü€') })
  .filter((text) => text.trim() === text)

test('no output of validate has the secret, however the URL is written', () => {
  const usual = describeSettings(loadSettings(ROLES.server, {}, {}))
  fc.assert(
    fc.property(secrets, fc.constantFrom(...WAYS), fc.constantFrom('INFLUX_URL', 'REDIS_URL'), (secret, way, name) => {
      const written = way(secret)
      let printed: string
      try {
        printed = describeSettings(loadSettings(ROLES.server, {}, { [name]: written }))
      } catch (error) {
        expect(error).toBeInstanceOf(ConfigError)
        printed = (error as ConfigError).message
      }
      // Six characters in a row say more than chance.
      for (const form of [secret, encodeURIComponent(secret)])
        for (let at = 0; at + 6 <= form.length; at++) {
          const part = form.slice(at, at + 6)
          if (!usual.includes(part) && !/^[*@:/.]*$/.test(part)) expect(printed).not.toContain(part)
        }
    }),
    { numRuns: 300 },
  )
})

test('what a URL hides is taken out of every other text, also as HTTP sends it', () => {
  const known = new Redactor(secretsInUrl('http://app:hun%40ter2@h:8086/?token=tok-1234'))
  const basic = Buffer.from('app:hun@ter2').toString('base64')
  for (const text of ['hun@ter2', 'hun%40ter2', `got ${basic}`, 'token tok-1234']) {
    expect(known.hide(text)).toMatch(/^(got |token )?\[redacted\]$/)
  }
})

test('a URL with a password in the place of a path is not shown', () => {
  const env = { INFLUX_URL_FILE: 'http://u:hunter2@h', REDIS_PASSWORD_FILE: 'redis://:hunter2@r' }
  const read = () => {
    throw Object.assign(new Error('ENOENT'), { code: 'ENOENT' })
  }
  expect(() => loadSettings(ROLES.server, {}, env, read)).toThrow('http://u:***@h cannot be read')
})

test.each([
  ['influx:\n  token: *hunter2\n'],
  ['influx:\n  token: &hunter2\n'],
  ['influx:\n  token: !hunter2 x: y\n'],
  ['influx:\n  token: @hunter2\n'],
  ['influx:\n  token: "hunter2\n'],
  ['influx:\n  token: hunter2: x\n'],
  ['influx:\n  token: [hunter2\n'],
  ['influx:\n  token: {hunter2: x}\n'],
  ['influx:\n  token: hunter2\n  token: hunter2\n'],
  ['influx:\n  url: http://u:hunter2@h:port\n'],
  ['influx:\n  bucket: [http://u:hunter2@h]\n'],
])('a settings file with a mistake does not show what is in it: %j', (text) => {
  let message = ''
  try {
    loadSettings(ROLES.server, { config: 'sentinel.yaml' }, {}, () => ({ text, mode: 0 }))
  } catch (error) {
    message = String(error)
  }
  expect(message).not.toBe('')
  expect(message).not.toContain('hunter2')
})
