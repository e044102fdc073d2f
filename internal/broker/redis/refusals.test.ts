import { pino } from 'pino'
import { describe, expect, it } from 'vitest'
import { LogThrottle } from '../../observe/log-throttle.ts'
import { Refusals } from './refusals.ts'
import { parseRedisUrl } from './url.ts'

function refusals(): Refusals {
  const throttle = new LogThrottle(pino({ level: 'silent' }))
  return new Refusals(parseRedisUrl('redis://agent:secret@h'), 'sentinel:commands', throttle)
}

/** As ioredis makes it of an error reply. */
function reply(message: string, name = 'get', args: readonly unknown[] = []): Error {
  return Object.assign(new Error(message), { name: 'ReplyError', command: { name, args } })
}

describe('the rights that Redis says are missing', () => {
  const cases: Array<[string, Error, string]> = [
    ['a command, 7.0', reply("NOPERM this user has no permissions to run the 'xack' command"), '+xack'],
    ['a command, 7.2', reply("NOPERM User agent has no permissions to run the 'xack' command"), '+xack'],
    [
      'a command, 6.2',
      reply("NOPERM this user has no permissions to run the 'xinfo' command or its subcommand"),
      '+xinfo',
    ],
    ['a subcommand', reply("NOPERM this user has no permissions to run the 'xgroup|create' command"), '+xgroup|create'],
    [
      'a key, 7.0',
      reply('NOPERM this user has no permissions to access one of the keys used as arguments', 'xadd', ['queue:{t:0}']),
      '~queue:{t:0}',
    ],
    [
      'a key, 7.2',
      reply('NOPERM No permissions to access a key', 'XADD', [Buffer.from('queue:{t:0}')]),
      '~queue:{t:0}',
    ],
    [
      'the key of a script',
      reply('NOPERM this user has no permissions to access one of the keys used as arguments', 'eval', [
        'return 1',
        1,
        'k',
      ]),
      '~k',
    ],
    [
      'the key of a read',
      reply('NOPERM No permissions to access a key', 'XREADGROUP', ['GROUP', 'g', 'c', 'STREAMS', 'k', '>']),
      '~k',
    ],
    [
      'a channel, 7.0',
      reply('NOPERM this user has no permissions to access one of the channels used as arguments', 'publish', [
        'metrics',
        'x',
      ]),
      '&metrics',
    ],
    ['a channel, 7.2', reply('NOPERM No permissions to access a channel', 'publish', ['metrics', 'x']), '&metrics'],
  ]
  it.each(cases)('%s', (_what, error, right) => {
    const refused = refusals()
    refused.add('it', error)
    expect(refused.problem).toBe(
      `Redis at redis://h:6379: the user agent lacks rights: ACL SETUSER agent ${right}; docs/redis.md lists those of each role`,
    )
  })

  it('are named together, each once, and beside other refusals', () => {
    const refused = refusals()
    refused.add('XACK a', reply("NOPERM this user has no permissions to run the 'xack' command"))
    refused.add('XACK b', reply("NOPERM this user has no permissions to run the 'xack' command"))
    refused.add('XADD a', reply('NOREPLICAS Not enough good replicas to write.'))
    expect(refused.problem).toMatch(/ACL SETUSER agent \+xack; docs.*; Redis at .* too few replicas/)
    for (const command of ['XACK a', 'XACK b']) refused.remove(command)
    expect(refused.problem).toMatch(/^Redis at .* too few replicas are connected/)
    refused.remove('XADD a')
    expect(refused.problem).toBe('')
  })

  it('of a script that does not say which are still said', () => {
    const refused = refusals()
    refused.add('EVAL k', reply("ERR The user executing the script can't run this command or subcommand script: 1"))
    expect(refused.problem).toContain('give the user this permission with ACL SETUSER')
  })

  it('never make a line without end', () => {
    const refused = refusals()
    for (let key = 0; key < 256; key++) {
      refused.add(`XADD ${key}`, reply('NOPERM No permissions to access a key', 'xadd', [`queue:{t:${key}}`]))
    }
    expect(refused.problem).toMatch(/ and 244 more; docs/)
    expect(refused.problem.length).toBeLessThan(500)
  })
})
