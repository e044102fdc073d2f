import type { Redis } from 'ioredis'
import { isReply, WrongServerError } from './problem.ts'

/**
 * Asks which server answers. HELLO needs no right, and Redis has had it since 6.0. Servers and proxies without it are
 * taken as they are: their error replies tell.
 *
 * @returns the number of the connection, as in CLIENT LIST; undefined where the server does not say it
 * @throws WrongServerError when it is a replica, a node of a cluster, or a Redis Sentinel
 */
export async function checkServer(client: Redis): Promise<number | undefined> {
  let reply: unknown
  try {
    reply = await client.call('HELLO', '2')
  } catch (error) {
    if (isReply(error) && !error.message.startsWith('NOAUTH')) return undefined
    throw error
  }
  // Names and values in turn.
  const fields = Array.isArray(reply) ? (reply as unknown[]) : []
  const fieldOf = (name: string): unknown => fields[fields.indexOf(name) + 1]
  const mode = fieldOf('mode')
  if (mode === 'cluster' || mode === 'sentinel') throw new WrongServerError(mode)
  const role = fieldOf('role')
  if (role === 'replica' || role === 'slave') throw new WrongServerError('replica')
  const id = fieldOf('id')
  return typeof id === 'number' ? id : undefined
}
