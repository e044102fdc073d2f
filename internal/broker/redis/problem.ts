/** Whether the error is an answer of Redis: then Redis has done nothing. */
export function isReply(error: unknown): error is Error {
  return error instanceof Error && error.name === 'ReplyError'
}

/**
 * `ERR` says that the command itself is wrong, and will be wrong next time. All other words (OOM, NOAUTH, READONLY,
 * LOADING …) describe the state of the server, which an operator can change.
 */
export function isRefusal(error: Error): boolean {
  return error.message.startsWith('ERR ') && !error.message.startsWith('ERR max number of clients')
}

/** What is wrong and what to do, without the password. @param error undefined: the connection ended without a reason */
export function describeProblem(error: unknown, address: string): string {
  const text = error instanceof Error ? error.message : String(error ?? '')
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  const at = `Redis at ${address}`
  if (text.includes('NOAUTH'))
    return `${at} refuses: ${text}: put the password into REDIS_URL, or name its file in REDIS_PASSWORD_FILE`
  if (text.includes('WRONGPASS') || text.includes('invalid password')) {
    return `${at} refuses the user or the password: check REDIS_URL and REDIS_PASSWORD_FILE`
  }
  if (text.includes('NOPERM')) return `${at} refuses: ${text}: give the user this permission with ACL SETUSER`
  if (text.startsWith('LOADING')) return `${at} is still loading its data: it answers when that is done`
  if (text.startsWith('OOM'))
    return `${at} is full: ${text}: raise maxmemory of Redis, or lower broker.maxLength or broker.maxAgeMs`
  if (text.startsWith('Protocol error')) return `${at} answers, but not as Redis does: check host and port of REDIS_URL`
  if (code === 'ECONNREFUSED') return `${at} refuses the connection: is it running there? check REDIS_URL`
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return `${at}: the host's name is not known: check REDIS_URL`
  if (code === 'ETIMEDOUT' && address.startsWith('rediss:')) {
    return `${at} does not complete a TLS handshake: check host and port, or use redis:// in REDIS_URL if it has no TLS`
  }
  if (code === 'ETIMEDOUT' || code === 'EHOSTUNREACH')
    return `${at} cannot be reached (${code}): check host and firewall`
  if (code.startsWith('ERR_SSL') || code === 'EPROTO') {
    return `${at} does not speak TLS (${code}): use redis:// in REDIS_URL, or its TLS port`
  }
  if (text === 'no answer to PING') return `${at} does not answer: does it hang, or the network to it? connecting again`
  if (text === '') return `${at}: the connection was lost: is it still running there?`
  return `${at}: ${text}`
}
