/** Whether the error is an answer of Redis: then Redis has done nothing. */
export function isReply(error: unknown): error is Error {
  return error instanceof Error && error.name === 'ReplyError'
}

/** A server that can carry nothing of ours, or not now. The connection finds out by HELLO. */
export type WrongServer = 'replica' | 'cluster' | 'sentinel'

/** Redis answers, and says that it is such a server. */
export class WrongServerError extends Error {
  override readonly name = 'WrongServerError'
  readonly server: WrongServer

  constructor(server: WrongServer) {
    super(`HELLO says ${server}`)
    this.server = server
  }

  /** Whether only another URL helps. A replica may become a master, or the address may lead to the master soon. */
  get isForGood(): boolean {
    return this.server !== 'replica'
  }
}

const WRONG_SERVER: Readonly<Record<WrongServer, string>> = {
  replica:
    'is a replica, which takes no writes: connecting again until it leads to the master; if it stays so, check REDIS_URL',
  cluster:
    'is a node of a Redis Cluster, which is not supported: messages of one node do not reach servers on another. Put a Redis without cluster mode into REDIS_URL',
  sentinel: 'is a Redis Sentinel, which carries no messages: put the address of the master into REDIS_URL',
}

/**
 * What to do after an error reply:
 *
 * - `renew`: connect again. A new connection may lead to the present master, or get in with the present password
 * - `repeat`: the same command may succeed later, by itself or when an operator acts
 * - `right`: the same, when the user of Redis gets a right
 * - `ours`: the caller knows the reply and deals with it
 * - `never`: the message can never be taken. Publishers drop it
 */
export type Next = 'renew' | 'repeat' | 'right' | 'ours' | 'never'

interface Row {
  /** At the beginning of the reply. Redis before 7.0 puts it behind a dash into the error of a script. */
  readonly reply: string
  readonly next: Next
  /** Follows `Redis at <address>`; undefined: the reply speaks for itself. */
  readonly words?: (reply: string) => string
}

/**
 * The error replies of Redis by what to do next. The first row that fits counts, and a reply without a row is
 * repeated: proxies and hosted servers answer with errors of their own, and dropping samples for one that passes would
 * lose them.
 */
const ROWS: readonly Row[] = [
  { reply: 'READONLY', next: 'renew', words: () => WRONG_SERVER.replica },
  { reply: 'MASTERDOWN', next: 'renew', words: () => 'is a replica without its master: connecting again' },
  {
    reply: 'NOAUTH',
    next: 'renew',
    words: (reply) => `refuses: ${reply}: put the password into REDIS_URL, or name its file in REDIS_PASSWORD_FILE`,
  },
  {
    reply: 'WRONGPASS|ERR (AUTH failed|invalid password)',
    next: 'renew',
    words: () => 'refuses the user or the password: check REDIS_URL and REDIS_PASSWORD_FILE',
  },
  { reply: 'MOVED|ASK|CLUSTERDOWN|CROSSSLOT', next: 'repeat', words: () => WRONG_SERVER.cluster },
  {
    reply: "NOPERM|ERR The user executing the script can't",
    next: 'right',
    words: (reply) => `refuses: ${reply}: give the user this permission with ACL SETUSER`,
  },
  { reply: 'LOADING', next: 'repeat', words: () => 'is still loading its data: it answers when that is done' },
  { reply: 'BUSY', next: 'repeat', words: () => 'runs a script that does not end: SCRIPT KILL ends it' },
  {
    reply: 'OOM',
    next: 'repeat',
    words: (reply) => `is full: ${reply}: raise maxmemory of Redis, or lower broker.maxLength or broker.maxAgeMs`,
  },
  {
    reply: 'MISCONF',
    next: 'repeat',
    words: () => 'takes no writes, because it cannot save its data: is its disk full? see the log of Redis',
  },
  {
    reply: 'NOREPLICAS',
    next: 'repeat',
    words: () => 'takes no writes, because too few replicas are connected: see min-replicas-to-write',
  },
  {
    reply: 'WRONGTYPE',
    next: 'repeat',
    words: () => 'has a key of ours that another program uses: choose another broker.topic or database, or remove it',
  },
  {
    reply: 'ERR unknown command',
    next: 'right',
    words: (reply) => `refuses: ${reply}: is it older than Redis 6.2, or was the command renamed?`,
  },
  // The message is larger than proto-max-bulk-len.
  { reply: 'ERR (Protocol error: invalid|Elements are too large|string exceeds maximum)', next: 'never' },
  { reply: 'NOGROUP|UNBLOCKED|BUSYGROUP', next: 'ours' },
  // As without a row: the reply says enough.
  { reply: 'TRYAGAIN|EXECABORT|ERR max number of clients', next: 'repeat' },
]

const PATTERNS = ROWS.map((row) => ({ ...row, pattern: new RegExp(`(^|: -)(${row.reply})\\b`) }))

/** What to do after an error reply. */
export function nextAfter(reply: Error): Next {
  return rowOf(reply.message)?.next ?? 'repeat'
}

/** Whether the reply is in the table: others come from what no one has listed, such as proxies. */
export function isListed(reply: Error): boolean {
  return rowOf(reply.message) !== undefined
}

function rowOf(text: string): Row | undefined {
  return PATTERNS.find(({ pattern }) => pattern.test(text))
}

/** What is wrong and what to do, without the password. @param error undefined: the connection ended without a reason */
export function describeProblem(error: unknown, address: string): string {
  const at = `Redis at ${address}`
  if (error instanceof WrongServerError) return `${at} ${WRONG_SERVER[error.server]}`
  const text = error instanceof Error ? error.message : String(error ?? '')
  const words = rowOf(text)?.words
  if (words !== undefined) return `${at} ${words(text)}`
  if (isReply(error)) return `${at} answers: ${text}: it is tried again`
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  return describeFailure(text, code, at, address.startsWith('rediss:'))
}

/** Certificates that Node.js does not trust: the end of its code says why. */
const UNTRUSTED =
  /SELF_SIGNED_CERT|UNABLE_TO_(VERIFY_LEAF_SIGNATURE|GET_ISSUER_CERT)|CERT_(UNTRUSTED|SIGNATURE_FAILURE)/

/** The problem of a connection that gave no answer of Redis. */
function describeFailure(text: string, code: string, at: string, secure: boolean): string {
  if (text.startsWith('Protocol error')) return `${at} answers, but not as Redis does: check host and port of REDIS_URL`
  if (code === 'ECONNREFUSED') return `${at} refuses the connection: is it running there? check REDIS_URL`
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return `${at}: the host's name is not known: check REDIS_URL`
  if (code === 'ETIMEDOUT' && secure) {
    return `${at} does not complete a TLS handshake: check host and port, or use redis:// in REDIS_URL if it has no TLS`
  }
  if (code === 'ETIMEDOUT' || code === 'EHOSTUNREACH')
    return `${at} cannot be reached (${code}): check host and firewall`
  if (UNTRUSTED.test(code)) {
    return `${at} has a certificate that is not trusted (${code}): name the file of its authority in redis.caFile (SENTINEL_REDIS_CA_FILE)`
  }
  if (code.startsWith('ERR_TLS_CERT') || code.startsWith('CERT_')) {
    return `${at} has a certificate that does not fit (${code}): ${text}`
  }
  if (text.includes('certificate required')) {
    return `${at} asks for a certificate of the client: name one in redis.certFile and redis.keyFile`
  }
  if (code.startsWith('ERR_SSL') || code === 'EPROTO') {
    return `${at} does not speak TLS (${code}): use redis:// in REDIS_URL, or its TLS port`
  }
  if (text === 'no answer to PING') return `${at} does not answer: does it hang, or the network to it? connecting again`
  // What the client says of a command that was under way when its connection ended.
  if (text.startsWith('Reached the max retries per request')) {
    return `${at}: the connection ended before the answer came: the command is sent again`
  }
  if (text === '' || code === 'EPIPE' || code === 'ECONNRESET')
    return `${at}: the connection was lost: is it still running there?`
  return `${at}: ${text}`
}
