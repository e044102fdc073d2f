import { ParameterError } from '../http/errors.ts'
import { cleanText } from '../sample/border.ts'

/**
 * Names in parameters. A comma stands between two names, an equals sign between a key and a value, and a backslash before
 * either makes it a part of the name. No stored name has such a backslash (`cleanText`), so every name can be written. A
 * name is cleaned as it was before it was stored: a line break in the name of a host finds the host.
 */
const BETWEEN_NAMES = /(?<!\\),/
const BETWEEN_KEY_AND_VALUE = /(?<!\\)=/g

/**
 * The names of a list, `a,b` or `a\,b`.
 *
 * @throws ParameterError for an empty name
 */
export function parseNames(parameter: string, list: string): string[] {
  const names = list.split(BETWEEN_NAMES).map(cleanText)
  if (names.includes('')) throw new ParameterError(parameter, `a ${parameter} name is empty`)
  return names
}

/**
 * Key and value of `key=value` or `ke\=y=value`: the first equals sign is between them. The value may be left out.
 *
 * @throws ParameterError
 */
export function parsePair(parameter: string, pair: string): [key: string, value: string] {
  const [key = '', value = ''] = readings(pair)[0] ?? []
  // A value that is cleaned away would ask for series without the tag.
  if (key !== '' && (value !== '' || pair.endsWith('='))) return [key, value]
  throw new ParameterError(parameter, `${JSON.stringify(pair)} does not have the form key=value`)
}

/** How else a pair can be read, because a further equals sign may be the one between key and value. */
export function otherPairs(pair: string): Array<[key: string, value: string]> {
  return readings(pair)
    .slice(1)
    .filter(([, value]) => value !== '')
}

function readings(pair: string): Array<[key: string, value: string]> {
  return [...pair.matchAll(BETWEEN_KEY_AND_VALUE)].map(({ index }) => [
    cleanText(pair.slice(0, index)),
    cleanText(pair.slice(index + 1)),
  ])
}

/** A known name that stands in a list with its commas unescaped, so that the list was read as several names. */
export function hiddenName(list: string, known: Iterable<string>): string | undefined {
  for (const name of known) if (name.includes(',') && `,${list},`.includes(`,${name},`)) return name
  return undefined
}

/** A name as a list or a pair must write it. */
export function escapeName(name: string): string {
  return name.replaceAll(/[,=]/g, '\\$&')
}

/** Refuses a parameter that was read otherwise than it was meant: the answer would be empty without a word. */
export function refuseHidden(parameter: string, meant: string, written: string): never {
  throw new ParameterError(parameter, `there is ${meant}: write it as ${written}`)
}
