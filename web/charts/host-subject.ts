import type { Subject } from './feed.ts'
import type { Panel } from './panel.ts'

/** A host, for a feed of these charts. */
export function hostSubject(host: string, panels: readonly Panel[]): Subject {
  const measurement = panels.map((panel) => panel.measurement).join(',')
  return {
    of: `hosts/${encodeURIComponent(host)}`,
    live: `api/v1/live?${new URLSearchParams({ host: oneName(host), measurement })}`,
  }
}

/** A name as lists of names have it: its comma would make it two. */
export function oneName(name: string): string {
  return name.replaceAll(',', '\\,')
}
