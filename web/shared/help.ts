import { byId, element } from './dom.ts'

const KEYS: readonly (readonly [keys: readonly string[], what: string])[] = [
  [['/'], 'filter the hosts, or the GPUs'],
  [['j', 'k'], 'next and previous host, GPU, or partition of the queue'],
  [['↓', '↑'], 'along the list, from the filter'],
  [['←', '→', '↑', '↓', 'Enter'], 'along the cells of a map, and open one'],
  [['1', '2', '3', '4', '5'], 'range: 5 min, 1 h, 6 h, 24 h, 7 d'],
  [['drag'], 'zoom all charts into a part of the time'],
  [['double click', 'Esc'], 'back to the previous view'],
  [['t'], 'light or dark colours'],
  [['?'], 'this help'],
]

/** Fills the help dialog. @returns a function that opens it */
export function connectHelp(button: HTMLButtonElement): () => void {
  const dialog = byId<HTMLDialogElement>('help')
  const rows = KEYS.map(([keys, what]) => {
    const names = element('dt', {}, ...keys.map((key) => element('kbd', { text: key })))
    return [names, element('dd', { text: what })]
  })
  byId('help-keys').replaceChildren(...rows.flat())
  byId('help-close').addEventListener('click', () => dialog.close())
  dialog.addEventListener('click', (event) => {
    if (event.target === dialog) dialog.close()
  })
  const open = () => {
    if (!dialog.open) dialog.showModal()
  }
  button.addEventListener('click', open)
  return open
}
