import type { ParsedNode, YAMLParseError } from 'yaml'
import { yaml } from './yaml.ts'

/** One value of a settings file: a text, or the texts of a list. */
interface FileEntry {
  readonly key: string
  readonly value: string | readonly string[]
  readonly line: number
}

export interface FileContent {
  readonly entries: readonly FileEntry[]
  /** What is wrong with the file's form, each with the line. */
  readonly problems: readonly string[]
}

/** Parses a YAML file that has `name: value` below `group:`. Does not check whether such settings exist. */
export function parseSettingsFile(content: string, path: string): FileContent {
  const { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument } = yaml()
  const lines = new LineCounter()
  const document = parseDocument(content, { lineCounter: lines, prettyErrors: false })
  const lineOf = (offset: number | undefined): number => lines.linePos(offset ?? 0).line
  const problems = document.errors.map((error) => `${path}:${lineOf(error.pos[0])}: ${inWords(error)}`)
  if (problems.length > 0 || document.contents === null) return { entries: [], problems }

  const entries: FileEntry[] = []
  const refuse = (node: ParsedNode | null, message: string): void => {
    problems.push(`${path}:${lineOf(node?.range[0])}: ${message}`)
  }
  const resolve = (node: ParsedNode | null): ParsedNode | null =>
    isAlias(node) ? ((node.resolve(document) as ParsedNode | undefined) ?? null) : node

  const take = (key: string, keyNode: ParsedNode, valueNode: ParsedNode | null): void => {
    const node = resolve(valueNode)
    // `tls: { cert: … }` stands for `tlsCert: …`.
    if (isMap(node) && key.endsWith('.tls')) {
      for (const pair of node.items) {
        const name = nameOf(pair.key)
        take(`${key}${name.slice(0, 1).toUpperCase()}${name.slice(1)}`, pair.key as ParsedNode, pair.value as ParsedNode | null) // biome-ignore format: one line
      }
      return
    }
    const value = isScalar(node) ? textOf(node.value) : isSeq(node) ? node.items.map(itemText) : undefined
    if (value === undefined) refuse(keyNode, `${key} has no value: leave the line out to use the default`)
    else if (typeof value !== 'string' && value.includes(undefined))
      refuse(keyNode, `${key} has an item that is neither a text nor a number`)
    else entries.push({ key, value: value as FileEntry['value'], line: lineOf(keyNode.range[0]) })
  }

  const root = document.contents
  if (!isMap(root))
    refuse(root, 'a settings file has groups, and below each its settings: "agent:", then "  intervalMs: 1s"')
  else {
    for (const { key: groupNode, value } of root.items) {
      const group = nameOf(groupNode)
      const settings = resolve(value)
      if (!isMap(settings))
        refuse(groupNode, `${group} is a group: write its settings below it, indented, one per line`)
      else
        for (const pair of settings.items)
          take(`${group}.${nameOf(pair.key)}`, pair.key as ParsedNode, pair.value as ParsedNode | null)
    }
  }
  return { entries, problems }
}

/** The parser repeats a text that begins with `*`, which may be a password without quotes. */
function inWords({ code, message }: YAMLParseError): string {
  return code === 'BAD_ALIAS' || message.includes('alias') ? 'a text that begins with * or & needs quotes' : message
}

function nameOf(node: unknown): string {
  return yaml().isScalar(node) ? String(node.value) : String(node)
}

function itemText(node: unknown): string | undefined {
  return yaml().isScalar(node) ? textOf(node.value) : undefined
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
    ? String(value)
    : undefined
}
