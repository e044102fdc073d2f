import { domainToASCII } from 'node:url'
import { type Duty, hasDuty, type Role } from './role.ts'
import { SCRAPE_TARGETS, type ScrapeTarget } from './scrape-targets.ts'
import { secretsInUrl, showText, showUrl } from './secret-url.ts'
import { NAMED_TARGETS, TARGETS } from './targets.ts'
import { formatDuration, formatSize, parseDuration, parseSize } from './units.ts'

/** What a default can depend on. */
export interface DefaultContext {
  readonly role: Role
  /** The value that was set for another key; undefined where none was set. */
  given(key: string): unknown
}

/** Everything that flags, variables, files, help and README need to know about one setting. */
export interface Setting<T> {
  /** One sentence for the help and the README. */
  readonly description: string
  /**
   * A role with one of these duties uses the setting; without a list every role does. The other roles accept it and
   * ignore it, so that one file and one environment can serve all roles.
   */
  readonly duties?: readonly Duty[]
  /**
   * A second flag, as short as people type it, for a program whose only duty the setting's is (`--push`), and for what
   * only `up` has (`--fabric`).
   */
  readonly shortFlag?: string
  /** Further variables that set it, with names that people know from other programs. SENTINEL_… wins over them. */
  readonly alsoFrom: readonly string[]
  readonly secret: boolean
  /** Whether a reload applies a change to the running process. Other changes take effect at the next start. */
  readonly reloads: boolean
  /** Set where the value is the path of a file with a secret: the name of the secret's setting, in the same group. */
  readonly holds?: string
  readonly default: T | ((context: DefaultContext) => T)
  /** What the help shows instead of the default. A default that depends on other settings needs it. */
  readonly defaultText?: string
  /** What is allowed, as the end of the sentence "must be …". */
  readonly allowed: string
  /** The value in the help: `<time>`. */
  readonly placeholder: string
  readonly isList: boolean
  /** Whether the flag needs no value: the setting is a boolean. */
  readonly isSwitch: boolean
  /** @returns undefined when the text is not what is allowed */
  parse(text: string): T | undefined
  /** The value as a user writes it; secrets in a URL are masked. */
  format(value: T): string
  /** The same for a text that `parse` refuses, for the error message. */
  show(text: string): string
  /** What is wrong with such a text, and what to do, where that is more than what is allowed. It has no secrets in it. */
  explain?(text: string): string
  /** What of a value no output may show, such as the password in a URL. */
  secretsIn(value: T): readonly string[]
}

export function isUsedBy({ duties }: Pick<Setting<unknown>, 'duties'>, role: Role): boolean {
  return duties === undefined || hasDuty(role, ...duties)
}

type Common<T> = Pick<Setting<T>, 'description'> &
  Partial<Pick<Setting<T>, 'duties' | 'shortFlag' | 'alsoFrom' | 'defaultText' | 'reloads'>> & {
    readonly default: Setting<T>['default']
  }

function setting<T>(common: Common<T>, kind: Pick<Setting<T>, 'allowed' | 'parse'> & Partial<Setting<T>>): Setting<T> {
  const defaults = {
    alsoFrom: [],
    secret: false,
    reloads: false,
    placeholder: '<text>',
    isList: false,
    isSwitch: false,
    show: showText,
    secretsIn: () => [],
  }
  return { ...defaults, format: (value) => (value === undefined ? '' : showText(String(value))), ...kind, ...common }
}

export function text(common: Common<string>): Setting<string> {
  return setting(common, { allowed: 'a text', parse: (written) => written })
}

/** A text without a default. */
export function optionalText(
  common: Omit<Common<string | undefined>, 'default'> & { readonly default?: Setting<string | undefined>['default'] },
): Setting<string | undefined> {
  return setting({ default: undefined, ...common }, { allowed: 'a text', parse: (written) => written })
}

/**
 * A password or token. No output shows it. A file (`secretFile`) is safer than a flag, which `ps` shows to every user.
 */
export function secret(common: Omit<Common<string | undefined>, 'default'>): Setting<string | undefined> {
  return { ...optionalText(common), secret: true, secretsIn: (value) => (value === undefined ? [] : [value]) }
}

/** What an operator makes up may be no shorter: shorter ones are found by asking. */
const LEAST_KEY_CHARS = 16

/** A secret that stands in a header. */
export function headerSecret(common: Omit<Common<string | undefined>, 'default'>): Setting<string | undefined> {
  return {
    ...secret(common),
    allowed: `a text of at least ${LEAST_KEY_CHARS} letters, digits and signs, without spaces`,
    parse: (written) => (written.length >= LEAST_KEY_CHARS && /^[\x21-\x7e]+$/.test(written) ? written : undefined),
  }
}

/**
 * The path of a file that holds the value of another setting.
 *
 * @param holds the name of that setting, in the same group. A line break at the end of the file is not part of the
 * value
 */
export function secretFile(
  holds: string,
  common: Omit<Common<string | undefined>, 'default'>,
): Setting<string | undefined> {
  return { ...optionalText(common), holds, placeholder: '<path>' }
}

/** The path of a file that is read again and again. */
export function path(common: Omit<Common<string | undefined>, 'default'>): Setting<string | undefined> {
  return { ...optionalText(common), placeholder: '<path>' }
}

/** The URL of a server, with one of these schemes and a path that matches. */
export function url(
  schemes: readonly string[],
  common: Common<string | undefined>,
  path = /^/,
): Setting<string | undefined> {
  const allowed = `a URL that begins with ${schemes.map((scheme) => `${scheme}://`).join(' or ')}, and contains % only in escapes such as %25`
  return setting(common, {
    allowed,
    placeholder: '<url>',
    parse: (written) => {
      if (!URL.canParse(written)) return undefined
      const { protocol, hostname, pathname, username, password } = new URL(written)
      // A % in a host is a whole `user:password@host` in escapes: no name has one.
      const isHost = hostname !== '' && !hostname.includes('%')
      const isServer = schemes.includes(protocol.slice(0, -1)) && isHost && path.test(pathname)
      return isServer && canDecode(username) && canDecode(password) ? written : undefined
    },
    format: (value) => (value === undefined ? '' : showUrl(value, true)),
    show: (written) => showUrl(written, false),
    secretsIn: (value) => (value === undefined ? [] : secretsInUrl(value)),
  })
}

/** The address of a server over HTTP: a URL, or host and port alone, which stand for `http://`. */
export function address(common: Common<string>): Setting<string> {
  const { parse, ...kind } = url(['http', 'https'], { ...common, default: undefined })
  return setting<string>(common, {
    ...{ allowed: kind.allowed, placeholder: kind.placeholder, show: kind.show },
    parse: (written) => parse(written.includes('://') ? written : `http://${written}`),
    format: kind.format,
    secretsIn: kind.secretsIn,
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

/** A choice of words in capitals, which may be written in any case. */
export function choiceInAnyCase<const T extends Uppercase<string>>(
  values: readonly T[],
  common: Common<T>,
): Setting<T> {
  return {
    ...choice(values, common),
    parse: (written) => values.find((value) => value === written.toUpperCase()),
  }
}

/** Any of the words; the default is all of them. Written `a,b`; a file may also have a YAML list. */
export function choices<const T extends string>(
  values: readonly T[],
  common: Omit<Common<readonly T[]>, 'default'>,
): Setting<readonly T[]> {
  return setting({ default: values, defaultText: 'all', ...common }, listOf(values, 1))
}

/** Any of the words; the default is none. Written as those of `choices`. */
export function someOf<const T extends string>(
  values: readonly T[],
  common: Omit<Common<readonly T[]>, 'default'>,
): Setting<readonly T[]> {
  return setting({ default: [], defaultText: 'none', ...common }, listOf(values, 0))
}

function listOf<T extends string>(values: readonly T[], least: number) {
  return {
    isList: true,
    placeholder: '<a,b,…>',
    allowed: `a list of ${values.join(', ')}`,
    parse: (written: string): readonly T[] | undefined => {
      const found = allOf(items(written).map((item) => values.find((value) => value === item)))
      return found === undefined || found.length < least ? undefined : found
    },
    format: (value: readonly T[]): string => value.join(','),
  }
}

export function texts(common: Common<readonly string[]>): Setting<readonly string[]> {
  return setting(common, {
    isList: true,
    placeholder: '<a,b,…>',
    allowed: 'a list, separated by commas',
    parse: items,
    format: (value) => showText(value.join(',')),
  })
}

/** What a source asks: URLs, and paths of files. */
export function targets(common: Common<readonly string[]>): Setting<readonly string[]> {
  return setting(common, TARGETS)
}

/** The same, each behind a name: `east=http://…`. */
export function namedTargets(common: Common<readonly string[]>): Setting<readonly string[]> {
  return setting(common, NAMED_TARGETS)
}

/** Addresses with metrics in Prometheus' text. */
export function scrapeTargets(common: Common<readonly ScrapeTarget[]>): Setting<readonly ScrapeTarget[]> {
  return setting(common, SCRAPE_TARGETS)
}

/** Origins of pages, as browsers write them in the header `Origin`: without user, path and the port of the scheme. */
export function origins(common: Common<readonly string[]>): Setting<readonly string[]> {
  return setting(common, {
    isList: true,
    placeholder: '<a,b,…>',
    allowed: 'a list of origins without user and path, such as https://grafana.example',
    parse: (written) => allOf(items(written).map(origin)),
    format: (value) => value.join(','),
  })
}

function origin(written: string): string | undefined {
  const url = URL.canParse(written) ? new URL(written) : undefined
  // A browser never sends anything else, so that anything else would allow nothing without a word.
  return url !== undefined && /^https?:$/.test(url.protocol) && url.href === `${url.origin}/` ? url.origin : undefined
}

/**
 * Names of hosts, as browsers write them in the header `Host`: lower case, international names in ASCII, without port
 * and without the dot at the end.
 */
export function hostNames(common: Common<readonly string[]>): Setting<readonly string[]> {
  return setting(common, {
    isList: true,
    placeholder: '<a,b,…>',
    allowed: 'a list of host names without scheme and port, such as dash.example.com',
    parse: (written) => allOf(items(written).map(hostName)),
    format: (value) => value.join(','),
  })
}

function hostName(written: string): string | undefined {
  const name = domainToASCII(written).replace(/\.$/, '').toLowerCase()
  return /^[\w-]+(\.[\w-]+)*$/.test(name) ? name : undefined
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

/** Any number of whole numbers. Written `0,2`; a file may also have a YAML list. */
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

/** A time in milliseconds. The key ends in `Ms`. */
export function duration(bounds: Bounds, common: Common<number>): Setting<number> {
  return setting(common, {
    placeholder: '<time>',
    allowed: `a time from ${formatDuration(bounds.min)} to ${formatDuration(bounds.max)}, such as 250ms, 10s, 5m, 1h or 7d`,
    parse: (written) => within(parseDuration(written), bounds),
    format: formatDuration,
  })
}

/** A size in bytes. The key ends in `Bytes`. */
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

/** The items, or undefined when one of them is. */
function allOf<T>(found: readonly (T | undefined)[]): readonly T[] | undefined {
  const known = found.filter((item) => item !== undefined)
  return known.length === found.length ? known : undefined
}
