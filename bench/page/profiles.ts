import { sizeText } from '../../internal/text/size.ts'
import { element } from '../../web/shared/dom.ts'
import type { Flame, Frame, Profile, ProfiledPass } from './data.ts'
import { FlameGraph, placeText } from './flame-graph.ts'
import { byOrigin, costliest, search } from './flame-layout.ts'
import { shareText } from './units.ts'

const COSTLIEST = 12

const ORIGINS: ReadonlyArray<readonly [Frame['origin'], string]> = [
  ['own', 'SentinelStream'],
  ['package', 'packages'],
  ['node', 'Node.js'],
  ['native', 'native code, system calls'],
  ['collector', 'garbage collection'],
]

/** Shows one profile of one pass, which the reader chooses. */
export function drawProfiles(holder: HTMLElement, passes: readonly ProfiledPass[]): void {
  if (passes.length === 0) {
    holder.replaceChildren(nothing('No profile was taken.'))
    return
  }
  const kinds = [...new Set(passes.flatMap(({ profiles }) => profiles.map(({ name }) => name)))]
  let pass = passes[0]!
  let kind = kinds[0]!
  const view = element('div')
  const show = (): void => {
    const profile = pass.profiles.find(({ name }) => name === kind)
    view.replaceChildren(
      profile === undefined ? nothing(`${pass.name} has no such profile.`) : profileView(pass, profile),
    )
  }
  const choosePass = choice(
    'Pass',
    passes.map(({ name }) => name),
    (index) => {
      pass = passes[index]!
      show()
    },
  )
  const chooseKind = choice('Profile', kinds, (index) => {
    kind = kinds[index]!
    show()
  })
  show()
  holder.replaceChildren(element('div', { class: 'choices' }, choosePass, chooseKind), view)
}

function nothing(text: string): HTMLElement {
  return element('p', { class: 'card nothing-here', text })
}

/** Buttons of which exactly one is pressed; at the start the first. */
function choice(label: string, names: readonly string[], chosen: (index: number) => void): HTMLElement {
  const buttons = names.map((name, index) => {
    const button = element('button', { type: 'button', 'aria-pressed': String(index === 0) }, name)
    button.addEventListener('click', () => {
      for (const other of buttons) other.setAttribute('aria-pressed', String(other === button))
      chosen(index)
    })
    return button
  })
  return element('div', { class: 'choice', role: 'group', 'aria-label': label }, ...buttons)
}

function profileView(pass: ProfiledPass, { name, file, command, flame }: Profile): HTMLElement {
  const body = flame === null ? [nothing('The profile has no samples.')] : flameView(flame, `${name}, ${pass.name}`)
  const opens = element(
    'p',
    { class: 'note' },
    element('a', { href: `./${file}` }, file),
    ' · ',
    element('code', { text: command }),
  )
  const comments = flame === null ? [] : [element('p', { class: 'note', text: flame.comments.join(' ') })]
  return element('div', {}, ...body, ...comments, opens)
}

function flameView(flame: Flame, label: string): HTMLElement[] {
  const details = element('p', { class: 'details' })
  const describe = (frame: Frame | undefined, value: number, own: number): void =>
    details.replaceChildren(...detailsOf(flame, graph.layout.total, frame, value, own))
  const graph = new FlameGraph(flame, label, describe)
  describe(undefined, graph.layout.total, 0)
  const found = element('output', { class: 'found-share' })
  const field = element('input', {
    type: 'search',
    placeholder: 'Search functions and files',
    'aria-label': 'Search functions and files',
  })
  const lookFor = (): void => {
    const result = search(flame, graph.layout, field.value)
    graph.mark(result.found)
    found.textContent = field.value === '' ? '' : `${shareText(result.value / graph.layout.total)} in matches`
  }
  field.addEventListener('input', lookFor)
  const back = element('button', { type: 'button', class: 'button', text: 'Whole profile' })
  back.addEventListener('click', () => graph.zoom(-1))
  const tools = element('div', { class: 'flame-tools' }, field, found, back)
  const pick = (frame: Frame): void => {
    field.value = frame.name
    lookFor()
  }
  return [
    element('div', { class: 'card' }, originBar(flame, graph), tools, details, graph.root),
    element('div', { class: 'card' }, costliestTable(flame, graph, pick)),
  ]
}

function detailsOf(flame: Flame, total: number, frame: Frame | undefined, value: number, own: number): HTMLElement[] {
  const share = frame === undefined ? '' : ` · ${shareText(value / total)}, own ${shareText(own / total)}`
  return [
    element('strong', { text: frame?.name ?? 'Whole profile' }),
    element('span', { class: 'place', text: frame === undefined ? '' : placeText(frame) }),
    element('span', { text: `${amountText(flame, value)}${share}` }),
  ]
}

function amountText({ unit }: Flame, value: number): string {
  if (unit === 'nanoseconds') return `${(value / 1e9).toFixed(2)} s at work`
  return `${sizeText(value)} allocated`
}

/** The legend of the colours of the graph, with the share of each. */
function originBar(flame: Flame, { layout }: FlameGraph): HTMLElement {
  const sums = byOrigin(flame, layout)
  const bar = element('div', { class: 'origin-bar', 'aria-hidden': 'true' })
  const legend = element('ul', { class: 'legend' })
  for (const [origin, name] of ORIGINS) {
    const share = (sums.get(origin) ?? 0) / layout.total
    const part = element('i', { class: origin })
    part.style.flexGrow = String(share)
    bar.append(part)
    const swatch = element('i', { class: `swatch ${origin}`, 'aria-hidden': 'true' })
    legend.append(element('li', {}, swatch, name, element('span', { class: 'value', text: shareText(share) })))
  }
  return element('div', { class: 'origins' }, bar, legend)
}

/** The functions with the largest own values. A click on one finds it in the graph. */
function costliestTable(flame: Flame, { layout }: FlameGraph, pick: (frame: Frame) => void): HTMLElement {
  const rows = costliest(flame, layout).slice(0, COSTLIEST)
  const most = rows[0]!.own
  const items = rows.map(({ frame, own }) => {
    const button = element('button', { type: 'button', title: 'Find it in the graph' }, frame.name)
    button.addEventListener('click', () => pick(frame))
    const bar = element('i', { class: `bar ${frame.origin}`, 'aria-hidden': 'true' })
    bar.style.width = `${(own / most) * 100}%`
    const share = element('span', { class: 'share', text: shareText(own / layout.total) })
    return element(
      'li',
      {},
      share,
      element('span', { class: 'bar-holder' }, bar),
      button,
      element('span', { class: 'place', text: placeText(frame) }),
    )
  })
  return element(
    'div',
    {},
    element('h3', { text: 'Functions by own share' }),
    element('ol', { class: 'costliest' }, ...items),
  )
}
