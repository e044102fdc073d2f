/**
 * Whether the header `accept-encoding` asks for gzip, and not rather for no encoding (RFC 9110, 12.5.3). For an answer
 * whose encoding its route chooses; every other answer is compressed by the app.
 */
export function acceptsGzip(accepted: string | readonly string[] | undefined): boolean {
  if (accepted === undefined) return false
  const weights = new Map<string, number>()
  for (const part of String(accepted).split(',')) {
    const [, name, weight = '1'] = /^\s*([\w*-]+)\s*(?:;\s*q=([\d.]+)\s*)?$/i.exec(part) ?? []
    if (name !== undefined) weights.set(name.toLowerCase(), Number(weight))
  }
  const gzip = weights.get('gzip') ?? weights.get('x-gzip') ?? weights.get('*') ?? 0
  return gzip > 0 && gzip >= (weights.get('identity') ?? 0)
}
