import { access, constants, readdir, stat, statfs } from 'node:fs/promises'
import { hostname } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'
import { ConfigError } from '../../internal/config/error.ts'
import type { Settings } from '../../internal/config/settings.ts'
import { hashBytes } from '../../internal/sample/hash.ts'
import { samplesLeftIn } from '../../internal/spool/cursor.ts'
import { diskProblem } from '../../internal/spool/disk-problem.ts'
import { FolderInUseError, folderOwner, lockFolder } from '../../internal/spool/folder-lock.ts'
import type { Context } from '../program/context.ts'

/** File systems take 255 bytes in a name. A longer name is cut, and a hash keeps it distinct. */
const MAX_NAME_BYTES = 100

/**
 * The folder of a role's data, locked for this process until it stops. A process starts even when it cannot write to
 * the folder: the parts that use the folder report it, and keep in memory what they can.
 *
 * @param role what keeps data there: `agent`, `server`, `api`; `up` opens all three
 * @throws ConfigError while another process uses the folder
 */
export async function openDataFolder(
  { settings, releaser, logger }: Pick<Context, 'settings' | 'releaser' | 'logger'>,
  role: string,
): Promise<string> {
  const folder = dataFolder(settings, role)
  const unlock = await lockFolder(folder).catch((error: unknown) => {
    if (error instanceof FolderInUseError) throw inUse(error, role)
    logger.error({ err: error, folder }, 'the data folder cannot be written to: nothing that waits survives a restart')
    return undefined
  })
  // Not in the same breath: after a stop it throws, which says nothing of the folder.
  if (unlock !== undefined) releaser.push(`lock of ${folder}`, unlock)
  await warnOfOtherNames(folder, role, logger)
  return folder
}

/** Warns of samples that this machine left under an earlier name: a renamed host or container would never send them. */
async function warnOfOtherNames(own: string, role: string, logger: Context['logger']): Promise<void> {
  const names = await readdir(dirname(own)).catch(() => [])
  for (const name of names.filter((each) => each !== basename(own))) {
    const folder = join(dirname(own), name)
    const samples = await samplesLeftIn(join(folder, isServer(role) ? 'spool' : 'outbox'))
    if (samples === 0 || (await folderOwner(folder)) !== undefined) continue
    logger.warn(
      { folder, samples },
      `samples were left under another name: they wait until a process of that name (${nameFlag(role)}) starts`,
    )
  }
}

/**
 * `<data.path>/<role>/<name>`: two processes of one role may share a data path when their names differ. A server is
 * named by `broker.consumer`, a publisher by its host.
 */
export function dataFolder({ data, broker, agent }: Settings, role: string): string {
  return join(data.path, role, fileName(isServer(role) ? broker.consumer : agent.host))
}

/**
 * What would keep a role from writing to its data folder, in words; '' when nothing does. It leaves no trace: of a
 * folder that does not exist, it asks the nearest one that does.
 */
export async function dataFolderProblem(settings: Settings, role: string): Promise<string> {
  const folder = resolve(dataFolder(settings, role))
  try {
    const existing = await nearestExisting(folder)
    await access(existing, constants.W_OK | constants.X_OK)
    const { bavail, blocks } = await statfs(existing)
    return blocks > 0 && bavail <= 0 ? diskProblem(folder, { code: 'ENOSPC' }) : ''
  } catch (error) {
    return diskProblem(folder, error)
  }
}

async function nearestExisting(folder: string): Promise<string> {
  const found = await stat(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' && dirname(folder) !== folder) return undefined
    throw error
  })
  if (found === undefined) return nearestExisting(dirname(folder))
  if (!found.isDirectory()) throw Object.assign(new Error(`${folder} is a file`), { code: 'ENOTDIR' })
  return folder
}

/**
 * Tells the processes of a role apart, and is the same after a restart: two processes never share a data folder on one
 * machine, and two machines have different names. So there are no more of them than machines and folders.
 */
export function instanceOf(settings: Settings, role: string): string {
  const place = Buffer.from(`${hostname()}\n${resolve(dataFolder(settings, role))}`)
  // 32 bits, as many as the digits have: a longer hash would load `node:crypto`, 1.6 MB in an agent.
  return (hashBytes(place, 0, place.length, 0) >>> 0).toString(16).padStart(8, '0')
}

/** A name of any characters as the name of one file. Different names give different files. */
export function fileName(name: string): string {
  const safe = [...Buffer.from(name)].map(safeByte).join('').replace(/^\./, '%2e') || '%'
  if (safe.length <= MAX_NAME_BYTES) return safe
  const { createHash } = process.getBuiltinModule('node:crypto')
  const hash = createHash('sha256').update(name).digest('hex').slice(0, 16)
  return `${safe.slice(0, MAX_NAME_BYTES - 17)}%${hash}`
}

function safeByte(byte: number): string {
  const character = String.fromCharCode(byte)
  return /[A-Za-z0-9._-]/.test(character) ? character : `%${byte.toString(16).padStart(2, '0')}`
}

function inUse({ pid, folder }: FolderInUseError, role: string): ConfigError {
  return new ConfigError([
    `data.path: ${folder} is used by process ${pid}; stop that process, or give this one another --data-path or ${nameFlag(role)}`,
  ])
}

function nameFlag(role: string): string {
  return isServer(role) ? '--broker-consumer' : '--agent-host'
}

/** Every other role that keeps data is a publisher. */
function isServer(role: string): boolean {
  return role === 'server'
}
