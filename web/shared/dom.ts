interface Attributes {
  readonly class?: string
  readonly text?: string
  readonly [name: string]: string | undefined
}

/** An element with attributes and children; `text` is its text, never HTML. */
export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined) continue
    if (name === 'text') made.textContent = value
    else made.setAttribute(name, value)
  }
  made.append(...children)
  return made
}

/** Writes the text only if it changed: the browser lays the page out anew for every write, even of the same text. */
export function setText(node: HTMLElement, text: string): void {
  if (node.textContent !== text) node.textContent = text
}

export function setAttribute(node: Element, name: string, value: string): void {
  if (node.getAttribute(name) !== value) node.setAttribute(name, value)
}

/** An element of `index.html`. @throws Error if it is missing: then the build is broken */
export function byId<T extends HTMLElement = HTMLElement>(id: string): T {
  const found = document.getElementById(id)
  if (found === null) throw new Error(`index.html has no #${id}`)
  return found as T
}

/** Writes the options of a select, only where they changed: an open one would be closed. */
export function writeChoices(
  select: HTMLSelectElement,
  choices: readonly (string | { readonly value: string; readonly text: string })[],
  chosen: string | undefined,
): void {
  const wanted = choices.map((choice) => (typeof choice === 'string' ? { value: choice, text: choice } : choice))
  const known = [...select.options]
  if (known.length !== wanted.length || wanted.some(({ value }, index) => value !== known[index]!.value))
    select.replaceChildren(...wanted.map(({ value, text }) => element('option', { value, text })))
  if (chosen !== undefined && select.value !== chosen) select.value = chosen
}
