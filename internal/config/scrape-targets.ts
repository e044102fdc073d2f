import { didYouMean } from './names.ts'
import { secretsInUrl, showText, showUrl } from './secret-url.ts'
import { isUrl } from './targets.ts'
import { formatDuration, parseDuration } from './units.ts'
import { yaml } from './yaml.ts'

const [SHORTEST_MS, LONGEST_MS] = [100, 3_600_000]
const NAME = /^[\w.-]{1,64}$/
const FORM = 'a URL that begins with http:// or https://'

/** What an entry of a file can say of a target, beside its URL. */
const TEXTS = [
  'name', 'host', 'fabric', 'bearerFile', 'username', 'passwordFile', 'caFile', 'certFile', 'keyFile', 'serverName'
] as const // biome-ignore format: one line
const DURATIONS = ['intervalMs', 'timeoutMs'] as const
const KEYS = ['url', ...TEXTS, ...DURATIONS]

type Details = { readonly [Key in (typeof TEXTS)[number]]?: string } & {
  readonly [Key in (typeof DURATIONS)[number]]?: number
}

/** An address with metrics in Prometheus' text. */
export interface ScrapeTarget extends Details {
  readonly url: string
  /** As a user writes it in a list. One with more than a name is JSON, which no list takes. */
  toString(): string
}

/** A list of `url` and `name=url`, or YAML with an entry a target. */
export const SCRAPE_TARGETS = {
  isList: true,
  placeholder: '<name=url,…>',
  allowed: `a list, of which each is ${FORM}, with or without a name before it: db=http://10.0.0.7:9100/metrics`,
  parse: (written: string): readonly ScrapeTarget[] | undefined => {
    const found = targetsIn(written)
    return typeof found === 'string' ? undefined : found
  },
  explain: (written: string): string => {
    const found = targetsIn(written)
    return typeof found === 'string' ? found : ''
  },
  format: (targets: readonly ScrapeTarget[]): string => targets.map(shown).join(','),
  show: (written: string): string => showUrl(written, false),
  secretsIn: (targets: readonly ScrapeTarget[]): string[] => targets.flatMap(({ url }) => secretsInUrl(url)),
} as const

/** @returns what is wrong with one of them, and what to do, where something is */
function targetsIn(written: string): readonly ScrapeTarget[] | string {
  const isYaml = /^(?:\s*#.*\n|\s)*(?:-\s|---|\[)/.test(written)
  const found = isYaml ? fromYaml(written) : written.split(/[,\n]/).map((item) => item.trim()).filter((item) => item !== '') // biome-ignore format: one line
  if (typeof found === 'string') return found
  const targets: ScrapeTarget[] = []
  for (const [i, item] of found.entries()) {
    const target = typeof item === 'string' ? fromText(item) : fromEntry(item)
    if (typeof target === 'string') return `target ${i + 1}: ${target}`
    targets.push(target)
  }
  return twins(targets) ?? targets
}

function fromYaml(written: string): readonly unknown[] | string {
  const document = yaml().parseDocument(written, { prettyErrors: false })
  // The parser repeats what it cannot read, and that may be a secret.
  if (document.errors[0] !== undefined) return 'this is no YAML: write an entry a target, "- url: http://10.0.0.7:9100/metrics"' // biome-ignore format: one line
  const value: unknown = document.toJS()
  return Array.isArray(value) ? value : 'this is no list of targets: begin each with "- url: …"'
}

function fromText(item: string): ScrapeTarget | string {
  const at = isUrl(item) ? -1 : item.indexOf('=')
  const url = item.slice(at + 1).trim()
  return fromEntry({ url, ...(at < 0 ? {} : { name: item.slice(0, at).trim() }) })
}

function fromEntry(entry: unknown): ScrapeTarget | string {
  if (typeof entry !== 'object' || entry === null || Array.isArray(entry)) return `write "- url: …", with ${FORM}`
  const given = new Map(Object.entries(entry))
  const unknown = [...given.keys()].find((key) => !KEYS.includes(key))
  if (unknown !== undefined)
    return `there is no ${JSON.stringify(unknown)}${didYouMean(unknown, KEYS) || `: it can have ${KEYS.join(', ')}`}`
  const url = given.get('url')
  if (url === undefined) return `it has no url: write ${FORM}`
  if (typeof url !== 'string' || !isUrl(url) || !URL.canParse(url)) return `url ${JSON.stringify(isUrl(String(url)) ? showUrl(String(url), false) : showText(String(url)))} must be ${FORM}` // biome-ignore format: one line
  const details: Record<string, string | number> = {}
  for (const key of TEXTS) {
    const value = given.get(key)
    if (value === undefined) continue
    const text = typeof value === 'number' ? String(value) : value
    if (typeof text !== 'string' || text === '') return `${key} must be a text: leave it out where there is none`
    details[key] = text
  }
  for (const key of DURATIONS) {
    const value = given.get(key)
    if (value === undefined) continue
    const ms = parseDuration(String(value))
    if (ms === undefined || !Number.isInteger(ms) || ms < SHORTEST_MS || ms > LONGEST_MS)
      return `${key} ${JSON.stringify(showText(String(value)))} must be a time from ${formatDuration(SHORTEST_MS)} to ${formatDuration(LONGEST_MS)}, such as 15s`
    details[key] = ms
  }
  return contradiction(url, details) ?? targetOf(url, details)
}

function targetOf(url: string, details: Details): ScrapeTarget {
  const { name, ...more } = details
  const short = `${name === undefined ? '' : `${name}=`}${url}`
  const text = Object.keys(more).length === 0 ? short : JSON.stringify({ url, ...details })
  const target = { url, ...details }
  // Only what a user writes is compared with what is shown.
  Object.defineProperty(target, 'toString', { value: () => text, enumerable: false })
  return target
}

/** @returns what does not go together, and what to do */
function contradiction(url: string, details: Details): string | undefined {
  const { name, fabric, bearerFile, username, passwordFile, caFile, certFile, keyFile, serverName } = details
  for (const [key, value] of [['name', name], ['fabric', fabric]] as const) {
    if (value !== undefined && !NAME.test(value))
      return `${key} ${JSON.stringify(showText(value))} must have letters, digits, dots, dashes and underscores alone, at most 64`
  } // biome-ignore format: one line
  if (bearerFile !== undefined && username !== undefined) return 'it has bearerFile and username: leave one of them out'
  if (passwordFile !== undefined && username === undefined)
    return 'it has a passwordFile and no username: name the user too'
  if ((certFile === undefined) !== (keyFile === undefined))
    return 'certFile and keyFile belong together: name both or none'
  const tls = Object.entries({ caFile, certFile, serverName }).find(([, value]) => value !== undefined)
  if (tls !== undefined && !/^https:/i.test(url))
    return `${tls[0]} is for https:// alone: change its url, or leave it out`
  return undefined
}

function twins(targets: readonly ScrapeTarget[]): string | undefined {
  const names = new Set<string>()
  const urls = new Set<string>()
  for (const { name, url } of targets) {
    if (name !== undefined && names.has(name))
      return `the name ${name} stands twice: give each target a name of its own`
    if (name === undefined && urls.has(url))
      return `${showUrl(url, true)} stands twice: leave it out once, or give each a name`
    if (name === undefined) urls.add(url)
    else names.add(name)
  }
  return undefined
}

function shown({ name, url, ...more }: ScrapeTarget): string {
  const details = Object.keys(more).length === 0 ? '' : ' (and more)'
  return `${name === undefined ? '' : `${name}=`}${showUrl(url, true)}${details}`
}
