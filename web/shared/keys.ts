/** What the keys do on the page; `help.ts` lists the same. */
export interface KeyActions {
  filter(): void
  neighbour(step: number): void
  range(index: number): void
  back(): void
  theme(): void
  help(): void
}

/** Listens to single keys, without a modifier, while nobody types into a field. */
export function connectKeys(actions: KeyActions): void {
  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return
    const { target } = event
    if (target instanceof HTMLInputElement || document.querySelector('dialog[open]') !== null) return
    if (!act(event.key, actions)) return
    event.preventDefault()
  })
}

function act(key: string, actions: KeyActions): boolean {
  if (key === '/') actions.filter()
  else if (key === 'j') actions.neighbour(1)
  else if (key === 'k') actions.neighbour(-1)
  else if (key >= '1' && key <= '5' && key.length === 1) actions.range(Number(key) - 1)
  else if (key === 'Escape') actions.back()
  else if (key === 't') actions.theme()
  else if (key === '?') actions.help()
  else return false
  return true
}
