import { type Duty, hasDuty, type Role } from './role.ts'
import { formatDuration, formatSize, parseDuration, parseSize } from './units.ts'

/** What a default may depend on. */
export interface DefaultContext {
  readonly role: Role
  /** What was set for another key; undefined where nothing was. */
  given(key: string): unknown
}

/** One setting: all that there is to know of it stands here once. */
export interface Setting<T> {
  /** One sentence for the help and the README. */
  readonly description: string
  /**
   * A role with one of these duties uses the setting; without a list every role does. The other roles accept it and ignore it, so that one
   * file and one environment can serve all roles.
   */
  readonly duties?: readonly Duty[]
  /** Other variables that set it, known from elsewhere; SENTINEL_… wins over them. */
  readonly alsoFrom: readonly string[]
  readonly secret: boolean
  /** Whether a running process takes it over when it is told to reload; the others take effect at the next start. */
  readonly reloads: boolean
  /** For the key of a file that holds a secret: the name of that secret, in the same group. */
  readonly holds?: string
  readonly default: T | ((context: DefaultContext) => T)
  /** What the help says in place of a default that depends on something. */
  readonly defaultText?: string
  /** What may be set, in words that end the sentence "must be …". */
  readonly allowed: string
  /** What the help writes in the value's place: `<time>`. */
  readonly placeholder: string
  readonly isList: boolean
  /** A boolean: its flag needs no value. */
  readonly isSwitch: boolean
  /** @returns undefined when the text is not what is allowed */
  parse(text: string): T | undefined
  /** The value as one would write it, without a password that it holds. */
  format(value: T): string
  /** The same for a text that cannot be parsed. */
  show(text: string): string
}

export function isUsedBy({ duties }: Pick<Setting<unknown>, 'duties'>, role: Role): boolean {
  return duties === undefined || hasDuty(role, ...duties)
}

type Common<T> = Pick<Setting<T>, 'description'> &
  Partial<Pick<Setting<T>, 'duties' | 'alsoFrom' | 'defaultText' | 'reloads'>> & {
    readonly default: Setting<T>['default']
  }

function setting<T>(common: Common<T>, kind: Pick<Setting<T>, 'allowed' | 'parse'> & Partial<Setting<T>>): Setting<T> {
  const everywhere = {
    alsoFrom: [],
    secret: false,
    reloads: false,
    placeholder: '<text>',
    isList: false,
    isSwitch: false,
    show: (written: string) => written,
  }
  return { ...everywhere, format: (value) => (value === undefined ? '' : String(value)), ...kind, ...common }
}

export function text(common: Common<string>): Setting<string> {
  return setting(common, { allowed: 'a text', parse: (written) => written })
}

/** A text that may stay unset. */
export function optionalText(
  common: Omit<Common<string | undefined>, 'default'> & { readonly default?: Setting<string | undefined>['default'] },
): Setting<string | undefined> {
  return setting({ default: undefined, ...common }, { allowed: 'a text', parse: (written) => written })
}

/** A password or token: never shown, and better kept in a file (`secretFile`) than on a command line that `ps` shows. */
export function secret(common: Omit<Common<string | undefined>, 'default'>): Setting<string | undefined> {
  return { ...optionalText(common), secret: true }
}

/** The path of a file that holds the setting of the same group named `holds`; a line break at its end is not part of it. */
export function secretFile(
  holds: string,
  common: Omit<Common<string | undefined>, 'default'>,
): Setting<string | undefined> {
  return { ...optionalText(common), holds, placeholder: '<path>' }
}

/** The URL of a server, of one of the schemes, and with a path of that form. */
export function url(
  schemes: readonly string[],
  common: Common<string | undefined>,
  path = /^/,
): Setting<string | undefined> {
  const allowed = `a URL that begins with ${schemes.map((scheme) => `${scheme}://`).join(' or ')}, and has % only in escapes such as %25`
  return setting(common, {
    allowed,
    placeholder: '<url>',
    parse: (written) => {
      if (!URL.canParse(written)) return undefined
      const { protocol, hostname, pathname, username, password } = new URL(written)
      const isServer = schemes.includes(protocol.slice(0, -1)) && hostname !== '' && path.test(pathname)
      return isServer && canDecode(username) && canDecode(password) ? written : undefined
    },
    // To the last @ before the path: an @ in a password need not be escaped, and every parser takes it so.
    format: (value) => value?.replace(/(:\/\/[^/?#:]*):[^/?#]*@/, '$1:***@') ?? '',
    show: (written) => written.replace(/^([a-z+]*:\/\/)?.*@/is, '$1***@'),
  })
}

function canDecode(text: string): boolean {
  try {
    decodeURIComponent(text)
    return true
  } catch {
    return false
  }
}

export function choice<const T extends string>(values: readonly T[], common: Common<T>): Setting<T> {
  return setting(common, {
    allowed: `one of ${values.join(', ')}`,
    placeholder: `<${values.join('|')}>`,
    parse: (written) => values.find((value) => value === written),
  })
}

/** Several of the words, all of them when nothing is set. Written `a,b`, in a file also as a list. */
export function choices<const T extends string>(
  values: readonly T[],
  common: Omit<Common<readonly T[]>, 'default'>,
): Setting<readonly T[]> {
  return setting(
    { default: values, defaultText: 'all', ...common },
    {
      isList: true,
      placeholder: '<a,b,…>',
      allowed: `a list of ${values.join(', ')}`,
      parse: (written) => {
        const found = allOf(items(written).map((item) => values.find((value) => value === item)))
        return found?.length === 0 ? undefined : found
      },
      format: (value) => value.join(','),
    },
  )
}

export function texts(common: Common<readonly string[]>): Setting<readonly string[]> {
  return setting(common, {
    isList: true,
    placeholder: '<a,b,…>',
    allowed: 'a list, with commas between',
    parse: items,
    format: (value) => value.join(','),
  })
}

interface Bounds {
  readonly min: number
  readonly max: number
}

export function integer({ min, max }: Bounds, common: Common<number>): Setting<number> {
  return setting(common, {
    placeholder: '<n>',
    allowed: `a whole number from ${min} to ${max}`,
    parse: (written) => (/^\d+$/.test(written) ? within(Number(written), { min, max }) : undefined),
  })
}

/** Several whole numbers. Written `0,2`, in a file also as a list. */
export function integers({ min, max }: Bounds, common: Common<readonly number[]>): Setting<readonly number[]> {
  return setting(common, {
    isList: true,
    placeholder: '<n,n,…>',
    allowed: `a list of whole numbers from ${min} to ${max}`,
    parse: (written) =>
      allOf(items(written).map((item) => (/^\d+$/.test(item) ? within(Number(item), { min, max }) : undefined))),
    format: (value) => value.join(','),
  })
}

export function port(common: Common<number>): Setting<number> {
  return integer({ min: 0, max: 65_535 }, common)
}

/** Milliseconds; its key ends in `Ms`. */
export function duration(bounds: Bounds, common: Common<number>): Setting<number> {
  return setting(common, {
    placeholder: '<time>',
    allowed: `a time from ${formatDuration(bounds.min)} to ${formatDuration(bounds.max)}, such as 250ms, 10s, 5m, 1h or 7d`,
    parse: (written) => within(parseDuration(written), bounds),
    format: formatDuration,
  })
}

/** Bytes; its key ends in `Bytes`. */
export function size(bounds: Bounds, common: Common<number>): Setting<number> {
  return setting(common, {
    placeholder: '<size>',
    allowed: `a size from ${formatSize(bounds.min)} to ${formatSize(bounds.max)}, such as 64MiB`,
    parse: (written) => within(parseSize(written), bounds),
    format: formatSize,
  })
}

export function onOff(common: Common<boolean>): Setting<boolean> {
  const words: Readonly<Record<string, boolean>> = { true: true, false: false, on: true, off: false }
  return setting(common, {
    isSwitch: true,
    placeholder: '[true|false]',
    allowed: 'true or false',
    parse: (written) => words[written],
  })
}

function within(value: number | undefined, { min, max }: Bounds): number | undefined {
  return value !== undefined && Number.isInteger(value) && value >= min && value <= max ? value : undefined
}

function items(written: string): string[] {
  return written
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '')
}

function allOf<T>(found: readonly (T | undefined)[]): readonly T[] | undefined {
  const known = found.filter((item) => item !== undefined)
  return known.length === found.length ? known : undefined
}
