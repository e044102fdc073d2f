import { secretsInUrl, showText, showUrl } from './secret-url.ts'

/** What a fabric may be called. */
const NAME = /^[\w.-]{1,64}$/
const FORM = 'a URL that begins with http:// or https://, or the path of a file'

/** What a setting with such a list has beside its default and description. */
interface TargetList {
  readonly isList: true
  readonly placeholder: string
  readonly allowed: string
  readonly parse: (written: string) => readonly string[] | undefined
  readonly format: (targets: readonly string[]) => string
  readonly show: (written: string) => string
  readonly secretsIn: (targets: readonly string[]) => string[]
}

/** URLs and paths of files. A file that holds the list may have one a line. */
export const TARGETS: TargetList = {
  isList: true,
  placeholder: '<url,path,…>',
  allowed: `a list, of which each is ${FORM}`,
  parse: (written) => allOf(items(written), isTarget),
  format: (targets) => targets.map(showTarget).join(','),
  show: (written) => showUrl(written, false),
  secretsIn: (targets) => targets.flatMap(secretsInTarget),
}

/** The same, each behind the name of its fabric: `east=http://…`. */
export const NAMED_TARGETS: TargetList = {
  ...TARGETS,
  placeholder: '<name=url,…>',
  allowed: `a list of name=target: a name has letters, digits, dots, dashes and underscores, a target is ${FORM}`,
  parse: (written) =>
    allOf(items(written), (item) => NAME.test(namedTarget(item)[0]) && isTarget(namedTarget(item)[1])),
  format: (targets) => targets.map((item) => `${namedTarget(item)[0]}=${showTarget(namedTarget(item)[1])}`).join(','),
  secretsIn: (targets) => targets.flatMap((item) => secretsInTarget(namedTarget(item)[1])),
}

/** The parts of `east=http://…`. */
export function namedTarget(item: string): readonly [fabric: string, target: string] {
  const at = item.indexOf('=')
  return at < 0 ? ['', item] : [item.slice(0, at).trim(), item.slice(at + 1).trim()]
}

/** A target without password, token and values of parameters. */
export function showTarget(target: string): string {
  return isUrl(target) ? showUrl(target, true) : showText(target)
}

export function isUrl(target: string): boolean {
  return /^https?:\/\//i.test(target)
}

function isTarget(target: string): boolean {
  if (isUrl(target)) return URL.canParse(target) && new URL(target).hostname !== ''
  return target !== '' && !target.includes('://')
}

function secretsInTarget(target: string): string[] {
  return isUrl(target) ? secretsInUrl(target) : []
}

function items(written: string): string[] {
  return written
    .split(/[,\n]/)
    .map((item) => item.trim())
    .filter((item) => item !== '')
}

function allOf(found: readonly string[], isGood: (item: string) => boolean): readonly string[] | undefined {
  return found.every(isGood) ? found : undefined
}
