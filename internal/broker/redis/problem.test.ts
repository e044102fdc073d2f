import { describe, expect, it } from 'vitest'
import { describeProblem, type Next, nextAfter, WrongServerError } from './problem.ts'

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
    [new WrongServerError('replica'), 'is a replica, which takes no writes'],
    [new WrongServerError('cluster'), 'is a node of a Redis Cluster, which is not supported'],
    [new WrongServerError('sentinel'), 'put the address of the master into REDIS_URL'],
    [new Error('MISCONF Redis is configured to save RDB snapshots'), 'is its disk full?'],
    [coded('SELF_SIGNED_CERT_IN_CHAIN', 'self-signed certificate in certificate chain'), 'redis.caFile'],
    [coded('UNABLE_TO_VERIFY_LEAF_SIGNATURE'), 'redis.caFile'],
    [coded('CERT_HAS_EXPIRED', 'certificate has expired'), 'certificate that does not fit (CERT_HAS_EXPIRED)'],
    [coded('ERR_TLS_CERT_ALTNAME_INVALID', "Host: h. is not in the cert's altnames"), 'altnames'],
    [new Error('Reached the max retries per request limit (which is 0). Refer to'), 'ended before the answer came'],
    [undefined, 'the connection was lost'],
    [coded('EPIPE', 'write EPIPE'), 'the connection was lost'],
  ]
  it.each(cases)('%s', (error, want) => {
    expect(describeProblem(error, 'redis://h:6379')).toContain(want)
    expect(describeProblem(error, 'redis://h:6379')).toMatch(/^Redis at redis:\/\/h:6379/)
  })
})

describe('nextAfter', () => {
  const replies: Array<[Next, string]> = [
    ['renew', "READONLY You can't write against a read only replica."],
    ['renew', "ERR Error running script (call to f_1): @user_script:3: @user_script: 3: -READONLY You can't write"],
    ['renew', "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'."],
    ['renew', 'NOAUTH Authentication required.'],
    ['renew', 'WRONGPASS invalid username-password pair or user is disabled.'],
    ['renew', 'ERR invalid password'],
    ['right', "NOPERM this user has no permissions to run the 'xack' command"],
    ['right', "ERR The user executing the script can't run this command or subcommand script: 1, on @user_script:1."],
    ['right', "ERR unknown command 'XADD', with args beginning with: 'queue:{telemetry:0}'"],
    ['repeat', 'MOVED 866 127.0.0.1:7001'],
    ['repeat', 'ASK 866 127.0.0.1:7001'],
    ['repeat', 'CLUSTERDOWN Hash slot not served'],
    ['repeat', "CROSSSLOT Keys in request don't hash to the same slot"],
    ['repeat', 'LOADING Redis is loading the dataset in memory'],
    ['repeat', "OOM command not allowed when used memory > 'maxmemory'."],
    ['repeat', 'MISCONF Redis is configured to save RDB snapshots'],
    ['repeat', 'NOREPLICAS Not enough good replicas to write.'],
    ['repeat', 'BUSY Redis is busy running a script.'],
    ['repeat', 'TRYAGAIN Multiple keys request during rehashing of slot'],
    ['repeat', 'EXECABORT Transaction discarded because of previous errors.'],
    ['repeat', 'WRONGTYPE Operation against a key holding the wrong kind of value'],
    ['repeat', 'ERR max number of clients reached'],
    // What proxies and hosted servers say, and what nobody has seen yet.
    ['repeat', 'ERR Connection timed out'],
    ['repeat', 'ERR upstream failure'],
    ['repeat', 'ERR syntax error'],
    ['repeat', 'no upstream host'],
    ['repeat', 'SOMETHING new'],
    ['ours', "NOGROUP No such key 'queue:{telemetry:0}' or consumer group 'sentinel'"],
    ['ours', 'UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)'],
    ['ours', 'BUSYGROUP Consumer Group name already exists'],
    ['never', 'ERR Protocol error: invalid bulk length'],
    ['never', 'ERR Elements are too large to be stored'],
    ['never', 'ERR string exceeds maximum allowed size (proto-max-bulk-len)'],
  ]
  it.each(replies)('%s: %s', (next, reply) => {
    expect(nextAfter(new Error(reply))).toBe(next)
  })
})
