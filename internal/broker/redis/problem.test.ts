import { describe, expect, it } from 'vitest'
import { describeProblem } from './problem.ts'

describe('describeProblem', () => {
  const coded = (code: string, message = ''): Error => Object.assign(new Error(message), { code })
  const cases: Array<[unknown, string]> = [
    [
      new Error('NOAUTH Authentication required.'),
      'put the password into REDIS_URL, or name its file in REDIS_PASSWORD_FILE',
    ],
    [new Error('WRONGPASS invalid username-password pair'), 'refuses the user or the password'],
    [new Error('NOPERM this user has no permissions'), 'ACL SETUSER'],
    [new Error('LOADING Redis is loading the dataset in memory'), 'is still loading its data'],
    [
      new Error("OOM command not allowed when used memory > 'maxmemory'."),
      'raise maxmemory of Redis, or lower broker.maxLength or broker.maxAgeMs',
    ],
    [new Error('Protocol error, got "H" as reply type byte'), 'not as Redis does'],
    [coded('ECONNREFUSED', 'connect ECONNREFUSED 127.0.0.1:1'), 'refuses the connection: is it running there?'],
    [coded('ENOTFOUND', 'getaddrinfo ENOTFOUND h'), "host's name is not known"],
    [coded('EHOSTUNREACH'), 'cannot be reached (EHOSTUNREACH)'],
    [coded('ERR_SSL_WRONG_VERSION_NUMBER', 'wrong version number'), 'does not speak TLS'],
    [new Error('no answer to PING'), 'does not answer'],
    [new Error('something new'), ': something new'],
    [undefined, 'the connection was lost'],
  ]
  it.each(cases)('%s', (error, want) => {
    expect(describeProblem(error, 'redis://h:6379')).toContain(want)
    expect(describeProblem(error, 'redis://h:6379')).toMatch(/^Redis at redis:\/\/h:6379/)
  })
})
