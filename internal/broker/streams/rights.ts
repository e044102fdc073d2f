import { type HarmlessCommand, hdel, hmget, hset, type NeededRights, pexpire } from '../redis/rights.ts'
import { notesKey } from './names.ts'

const NOT_A_NUMBER = /not an integer/
/** Before the first message there is no stream, and before the first server no group. */
export const NOT_THERE_YET = /^NOGROUP|no such key|requires the key to exist|Invalid stream ID|not an integer/

/** What a publisher sends to each partition. */
export function publishRights(keys: readonly string[]): NeededRights {
  return { commands: keys.map(xadd), publishes: [], subscribes: [] }
}

/** What a server sends: to the first partition every command, to the others one, because rights to keys may differ. */
export function consumeRights(keys: readonly string[], group: string, consumer: string): NeededRights {
  const [first] = keys
  const commands = first === undefined ? [] : [...everyCommand(first, group, consumer), ...keys.map(xack(group))]
  return { commands, publishes: [], subscribes: [] }
}

function xadd(key: string): HarmlessCommand {
  return { name: `XADD ${key}`, args: ['XADD', key, 'MAXLEN', 'x', '*', 'field', ''], expects: NOT_A_NUMBER }
}

function xack(group: string): (key: string) => HarmlessCommand {
  return (key) => ({ name: `XACK ${key}`, args: ['XACK', key, group, '0-0'] })
}

/** The commands of the readers, of the scripts, and of the notes on suspects. */
function everyCommand(key: string, group: string, consumer: string): HarmlessCommand[] {
  const notThereYet = (args: readonly string[]): HarmlessCommand => ({
    name: args.slice(0, -1).join(' '),
    args,
    expects: NOT_THERE_YET,
  })
  const notes = notesKey(key)
  return [
    {
      name: `XREADGROUP ${key}`,
      args: ['XREADGROUP', 'GROUP', group, consumer, 'COUNT', 'x', 'STREAMS', key, '>'],
      expects: NOT_A_NUMBER,
    },
    { name: `EVAL ${key}`, args: ['EVAL', 'return 1', '1', key] },
    { name: `XRANGE ${key}`, args: ['XRANGE', key, '1', '0'] },
    { name: 'TIME', args: ['TIME'] },
    notThereYet(['XPENDING', key, group]),
    notThereYet(['XCLAIM', key, group, consumer, '0', '0-0']),
    notThereYet(['XINFO', 'STREAM', key, 'FULL', 'COUNT', 'x']),
    notThereYet(['XINFO', 'GROUPS', key]),
    notThereYet(['XINFO', 'CONSUMERS', key, group]),
    notThereYet(['XGROUP', 'CREATE', key, group, 'x']),
    notThereYet(['XGROUP', 'SETID', key, group, 'x']),
    notThereYet(['XGROUP', 'DELCONSUMER', key, group, '(no such consumer)']),
    ...[hmget(notes), hset(notes), hdel(notes), pexpire(notes)],
  ]
}
