import type { Redis } from 'ioredis'
import { isListed, isReply } from './problem.ts'

/** A command in a form that changes nothing: its answer says whether the user of Redis may send it. */
export interface HarmlessCommand {
  /** As in the outcomes of the real command: its name, then its key. */
  readonly name: string
  readonly args: readonly string[]
  /** The error that comes after the check of rights, because an argument is wrong on purpose. */
  readonly expects?: RegExp
}

/** What a process asks of Redis. Its connection for commands finds out whether it may. */
export interface NeededRights {
  readonly commands: readonly HarmlessCommand[]
  readonly publishes: readonly string[]
  readonly subscribes: readonly string[]
}

const NOT_A_NUMBER = /not an integer/
const WRONG_ARGUMENTS = /wrong number of arguments/

export function allOf(needed: readonly NeededRights[]): NeededRights {
  return {
    commands: needed.flatMap(({ commands }) => commands),
    publishes: needed.flatMap(({ publishes }) => publishes),
    subscribes: needed.flatMap(({ subscribes }) => subscribes),
  }
}

export function hset(key: string): HarmlessCommand {
  return { name: `HSET ${key}`, args: ['HSET', key, 'field', 'value', 'odd'], expects: WRONG_ARGUMENTS }
}

export function hdel(key: string): HarmlessCommand {
  return { name: `HDEL ${key}`, args: ['HDEL', key, '(no such field)'] }
}

export function hscan(key: string): HarmlessCommand {
  return { name: `HSCAN ${key}`, args: ['HSCAN', key, '0', 'COUNT', '1', 'MATCH', '(no such field)'] }
}

export function hmget(key: string): HarmlessCommand {
  return { name: `HMGET ${key}`, args: ['HMGET', key, '(no such field)'] }
}

export function pexpire(key: string): HarmlessCommand {
  return { name: `PEXPIRE ${key}`, args: ['PEXPIRE', key, 'x'], expects: NOT_A_NUMBER }
}

/**
 * Finds out what the user may not do. Only for a connection without other commands.
 *
 * @param refused called for each command that Redis refuses. A reply without a row in the table of replies, such as one
 *   to an argument that an old Redis does not know, says nothing of rights
 */
export async function checkRights(
  client: Redis,
  rights: NeededRights | undefined,
  refused: (name: string, reply: Error) => void,
): Promise<void> {
  const { commands, publishes, subscribes } = rights ?? allOf([])
  const check = async (name: string, answer: Promise<void>): Promise<void> => {
    try {
      await answer
    } catch (error) {
      if (!isReply(error)) throw error
      if (isListed(error)) refused(name, error)
    }
  }
  await Promise.all(commands.map((command) => check(command.name, sendHarmless(client, command))))
  for (const channel of subscribes) await check(`SUBSCRIBE ${channel}`, trySubscribing(client, channel))
  for (const channel of publishes) await check(`PUBLISH ${channel}`, tryPublishing(client, channel))
}

/** Sends one, and resolves when the user has the right. @throws what Redis answers otherwise */
export async function sendHarmless(client: Redis, { args, expects }: HarmlessCommand): Promise<void> {
  const [name, ...rest] = args
  try {
    await client.call(name!, rest)
  } catch (error) {
    if (!isReply(error) || expects?.test(error.message) !== true) throw error
  }
}

/**
 * Finds out whether the user may subscribe. Both commands leave in one write, so Redis does them without a message in
 * between.
 */
async function trySubscribing(client: Redis, channel: string): Promise<void> {
  const { stream } = client
  stream.cork()
  const answers = [client.subscribe(channel), client.unsubscribe(channel)]
  stream.uncork()
  await Promise.all(answers)
}

/**
 * Finds out whether the user may publish. Redis checks the right when it queues the command of a transaction, and the
 * transaction is given up. Without the right to transactions it stays unknown, and the first message tells.
 */
async function tryPublishing(client: Redis, channel: string): Promise<void> {
  try {
    await client.call('MULTI')
  } catch (error) {
    if (isReply(error)) return
    throw error
  }
  try {
    await client.call('PUBLISH', [channel, ''])
  } finally {
    await client.call('DISCARD')
  }
}
