import { SCOPES, type Scope } from '../../internal/auth/identity.ts'
import { changeKeyFile, isOthersToChange, KeyFileError, type KeyRecord } from '../../internal/auth/key-file.ts'
import { KeyRing } from '../../internal/auth/key-ring.ts'
import { isLoopbackHost } from '../../internal/auth/loopback.ts'
import { digestOf, newKey } from '../../internal/auth/secret.ts'
import { ConfigError } from '../../internal/config/error.ts'
import { hasDuty, type Role } from '../../internal/config/role.ts'
import type { Settings } from '../../internal/config/settings.ts'
import { Guard, type GuardOptions } from '../../internal/http/guard.ts'
import type { Context } from '../program/context.ts'

const FIRST_KEY = 'first'

/** A new key, and what its file keeps of it. The key itself is nowhere else. */
export function makeKey(name: string, scopes: readonly Scope[], endsAt?: Date): { key: string; record: KeyRecord } {
  const key = newKey()
  const record = { name, scopes, sha256: digestOf(key), createdAt: new Date().toISOString() }
  return { key, record: endsAt === undefined ? record : { ...record, endsAt: endsAt.toISOString() } }
}

/** The keys of a process, which follows their file until its end. @throws ConfigError where it cannot be read */
export async function openKeys(context: Context): Promise<KeyRing> {
  const keys = new KeyRing({
    file: context.settings.auth.keysFile,
    ownKey: () => context.settings.auth.key,
    serviceToken: () => context.settings.auth.serviceToken,
    onProblem: (problem) => context.throttle.error('keys', {}, problem),
  })
  await open(keys)
  await warnOfOthers(context)
  context.releaser.push('keys', async () => keys.close())
  context.readiness.push(() => keys.problem)
  context.onReload(['auth.key', 'auth.serviceToken'], () => void keys.refresh())
  context.metrics.gauge({
    name: 'sentinel_auth_keys',
    help: 'Keys that open something now.',
    read: () => keys.usable,
  })
  return keys
}

/** A warning alone: some file systems say so of every file. */
async function warnOfOthers({ settings, logger }: Context): Promise<void> {
  const { keysFile } = settings.auth
  if (await isOthersToChange(keysFile))
    logger.warn(
      { file: keysFile },
      `others may change the file of keys, and so make keys for themselves: chmod 600 ${keysFile}`,
    )
}

/** Makes the first key where the settings want one and there is none, and prints it. */
export async function makeFirstKey({ settings }: Context, keys: KeyRing): Promise<void> {
  const { firstKey, keysFile } = settings.auth
  if (!firstKey || keys.isConfigured) return
  const { key, record } = makeKey(FIRST_KEY, SCOPES)
  let isMade = false
  // Another role may make it at the same time.
  await changeKeyFile(keysFile, (records) => {
    isMade = records === undefined
    return isMade ? [record] : undefined
  })
  await keys.refresh()
  if (!isMade) return
  process.stdout.write(
    `The first API key, shown this once: ${key}\n` +
      'Log in with it on the page, or send it in the header X-API-Key. "sentinel keys create" makes others.\n',
  )
}

/** What guards a listener of this process. */
export function guardOf(
  context: Context,
  keys: KeyRing,
  own: Pick<GuardOptions, 'serviceScopes' | 'part' | 'tokenLocks'>,
): Guard {
  const { refusals, logger } = context
  return new Guard({ ...own, keys, refusals, logger, open: () => context.settings.auth.public })
}

/** @throws ConfigError where the API or the queue would be open to other machines without a key */
export function refuseOpenListeners(role: Role, settings: Settings, keys: KeyRing): void {
  const problems = openListeners(role, settings, keys)
  if (problems.length > 0) throw new ConfigError(problems)
}

/** The same, before a start. @throws ConfigError */
export async function checkListeners(role: Role, settings: Settings): Promise<void> {
  if (!hasDuty(role, 'serve', 'queue') || settings.auth.firstKey) return
  const { keysFile, key, serviceToken } = settings.auth
  const keys = new KeyRing({ file: keysFile, ownKey: () => key, serviceToken: () => serviceToken })
  await open(keys)
  keys.close()
  refuseOpenListeners(role, settings, keys)
}

function openListeners(role: Role, { api, queue, auth }: Settings, keys: KeyRing): string[] {
  if (keys.usable > 0) return []
  const why = keys.isConfigured ? 'every key has ended or been revoked' : 'there is no key'
  const advice = `make one with "sentinel keys create" (it goes to ${auth.keysFile}), or set API_KEY; without a key only this machine is answered, on 127.0.0.1`
  const found: string[] = []
  if (hasDuty(role, 'serve') && !isLoopbackHost(api.host))
    found.push(`api.host ${api.host} would open the API to other machines, and ${why}: ${advice}`)
  const isGuarded = keys.hasServiceToken || auth.public.includes('queue')
  if (hasDuty(role, 'queue') && !isLoopbackHost(queue.host) && !isGuarded)
    found.push(
      `queue.host ${queue.host} would open the queue to other machines, and ${why}: ${advice}; or set SERVICE_TOKEN for our own agents alone, or auth.public to queue for everybody`,
    )
  return found
}

async function open(keys: KeyRing): Promise<void> {
  await keys.open().catch((error: unknown) => {
    throw error instanceof KeyFileError ? new ConfigError([error.message]) : error
  })
}
