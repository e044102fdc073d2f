import type { LoadedSettings } from './load.ts'
import { variableOf } from './names.ts'
import type { Role } from './role.ts'
import { isUsedBy, type Setting } from './setting.ts'
import { allSettings, SCHEMA } from './settings.ts'
import type { Origin } from './written.ts'
import { yaml } from './yaml.ts'

/**
 * The settings that a role runs with, each with its origin, as a settings file. Reading the file gives the same
 * settings, except for secrets and URLs with a password, which are comments without their value.
 */
export function describeSettings({ role, settings, origins }: LoadedSettings): string {
  const lines: string[] = []
  for (const [group, schema] of Object.entries(SCHEMA)) {
    const values: Readonly<Record<string, unknown>> = settings[group as keyof typeof settings]
    const used = Object.entries<Setting<unknown>>(schema).filter(([, setting]) => isUsedBy(setting, role))
    if (used.length === 0) continue
    const described = used.map(([name, setting]) => line(name, setting, values[name], origins.get(`${group}.${name}`)!))
    const allAreComments = described.every((text) => text.startsWith('  #'))
    lines.push(allAreComments ? `# ${group}:` : `${group}:`, ...described)
  }
  return `${lines.join('\n')}\n`
}

function line(name: string, setting: Setting<unknown>, value: unknown, origin: Origin): string {
  const from = origin.kind === 'default' ? 'default' : `from ${origin.where}`
  if (value === undefined) return `  # ${name}: not set`
  if (setting.secret) return `  # ${name}: [redacted], ${from}`
  const shown = setting.format(value)
  const list = setting.isList && (shown === '' ? [] : shown.split(','))
  const written = yaml().stringify(list || (shown === String(value) ? value : shown), {
    collectionStyle: 'flow',
    // A folded list would go on in a line that has no place in the file.
    lineWidth: 0,
  })
  const plain = Array.isArray(value) ? value.join(',') : value
  const isMasked = typeof plain === 'string' && shown !== plain
  return `  ${isMasked ? '# ' : ''}${name}: ${written.trim()}  # ${from}`
}

/** The table of all settings for the README, in Markdown. */
export function configTable(roles: readonly Role[]): string {
  const rows = allSettings().map(([key, setting]) => {
    const variables = [variableOf(key), ...setting.alsoFrom].map((name) => `\`${name}\``).join(' ')
    const users = roles.filter((role) => isUsedBy(setting, role))
    const usedBy = users.length === roles.length ? 'all' : users.map(({ name }) => name).join(', ')
    const mark = setting.reloads ? ' ↻' : ''
    const short = setting.shortFlag === undefined ? '' : ` \`${setting.shortFlag}\``
    return `| \`${key}\`${mark}${short} | ${variables} | ${defaultInWords(setting, roles)} | ${usedBy} | ${setting.description} |`
  })
  return ['| Setting (↻: SIGHUP reloads it) | Variables | Default | Used by | |', '|---|---|---|---|---|', ...rows, '']
    .join('\n')
    .replaceAll('<', '&lt;')
}

/**
 * A setting's default, as the help and the README show it.
 *
 * @param roles for a default that depends on the role: it gives that of the first role, then that of each role that
 * differs
 */
export function defaultInWords(setting: Setting<unknown>, roles: readonly Role[] = []): string {
  const { defaultText, default: fallback, format } = setting
  if (defaultText !== undefined) return defaultText
  if (fallback === undefined) return 'none'
  if (typeof fallback !== 'function') return format(fallback)
  const [first = '', ...others] = roles.map((role) => format(fallback({ role, given: () => undefined })))
  const different = others.flatMap((text, i) => (text === first ? [] : [`${roles[i + 1]?.name} ${text}`]))
  return different.length === 0 ? first : `${first}; ${different.join(', ')}`
}
