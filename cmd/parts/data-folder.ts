import { createHash } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { ConfigError } from '../../internal/config/error.ts'
import type { Settings } from '../../internal/config/settings.ts'
import { samplesLeftIn } from '../../internal/spool/cursor.ts'
import { FolderInUseError, folderOwner, lockFolder } from '../../internal/spool/folder-lock.ts'
import type { Context } from '../program/context.ts'

/** Who keeps something on disk. `up` is all three. */
export type DataRole = 'agent' | 'api' | 'server'

/** File systems take 255 bytes in a name; what is cut here stays distinct by a hash. */
const MAX_NAME_BYTES = 100

/**
 * The folder of a role's data, locked for this process until it stops. Where nothing can be written the process starts all the same:
 * what works in the folder then says so, and keeps in memory what it can.
 *
 * @throws ConfigError while another process has it
 */
export async function openDataFolder(
  { settings, releaser, logger }: Pick<Context, 'settings' | 'releaser' | 'logger'>,
  role: DataRole,
): Promise<string> {
  const folder = dataFolder(settings, role)
  try {
    releaser.push(`lock of ${folder}`, await lockFolder(folder))
  } catch (error) {
    if (error instanceof FolderInUseError) throw inUse(error, role)
    logger.error({ err: error, folder }, 'the data folder cannot be written to: nothing that waits survives a restart')
  }
  await tellOfOtherNames(folder, role, logger)
  return folder
}

/** A host or a container that is named anew finds nothing of what it left under its old name: somebody should know that it is there. */
async function tellOfOtherNames(own: string, role: DataRole, logger: Context['logger']): Promise<void> {
  const names = await readdir(dirname(own)).catch(() => [])
  for (const name of names.filter((each) => each !== basename(own))) {
    const folder = join(dirname(own), name)
    const samples = await samplesLeftIn(join(folder, role === 'server' ? 'spool' : 'outbox'))
    if (samples === 0 || (await folderOwner(folder)) !== undefined) continue
    logger.warn(
      { folder, samples },
      `samples were left under another name: they wait until a process of that name (${nameFlag(role)}) starts`,
    )
  }
}

/** `<data.path>/<role>/<name>`: two servers, or two agents, may share a data path when their names differ. */
export function dataFolder({ data, broker, agent }: Settings, role: DataRole): string {
  return join(data.path, role, fileName(role === 'server' ? broker.consumer : agent.host))
}

/** A name of any characters as the name of one file, another for each. */
export function fileName(name: string): string {
  const safe = [...Buffer.from(name)].map(safeByte).join('').replace(/^\./, '%2e') || '%'
  if (safe.length <= MAX_NAME_BYTES) return safe
  const hash = createHash('sha256').update(name).digest('hex').slice(0, 16)
  return `${safe.slice(0, MAX_NAME_BYTES - 17)}%${hash}`
}

function safeByte(byte: number): string {
  const character = String.fromCharCode(byte)
  return /[A-Za-z0-9._-]/.test(character) ? character : `%${byte.toString(16).padStart(2, '0')}`
}

function inUse({ pid, folder }: FolderInUseError, role: DataRole): ConfigError {
  return new ConfigError([
    `data.path: ${folder} is used by process ${pid}; stop that, or give this one another --data-path or ${nameFlag(role)}`,
  ])
}

function nameFlag(role: DataRole): string {
  return role === 'server' ? '--broker-consumer' : '--agent-host'
}
