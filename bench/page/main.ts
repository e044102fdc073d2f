import { byId, element } from '../../web/shared/dom.ts'
import { applyTheme, connectTheme, Palette } from '../../web/shared/theme.ts'
import { curvePlots, timelinePlots } from './charts.ts'
import type { Group, OriginGroup, PageData } from './data.ts'
import { figuresTable, passCards, passColour, passDot } from './figures.ts'
import type { Plot } from './plot.ts'
import { drawProfiles } from './profiles.ts'

applyTheme()
const data = JSON.parse(byId('data').textContent!) as PageData
const palette = new Palette()
const plots: Plot[] = []

document.title = `SentinelStream benchmark, ${minuteOf(data.startedAt)}`
byId('facts').textContent = factsOf(data)
byId('command').textContent = data.command
byId('command').tabIndex = 0
drawGroups('passes', passCards)
drawGroups('figures-tables', (group) => [element('p', { class: 'note', text: noteOf(group) }), figuresTable(group)])
drawGroups('latency-charts', (group) => grid(curvePlots(group, data.oneIn, palette)))
drawGroups('time-charts', timelines)
drawProfiles(byId('profiles-body'), data.profiled)
byId('origin-groups').append(...data.origin.map(originCard))
connectTheme(byId<HTMLButtonElement>('theme'), () => {
  palette.forget()
  for (const plot of plots) plot.redraw()
})

/** Draws every group. With several conditions, each stands as a title above its group. */
function drawGroups(id: string, draw: (group: Group) => Node | readonly Node[]): void {
  for (const group of data.groups) {
    const title = data.groups.length === 1 ? [] : [element('h3', { class: 'condition', text: group.condition })]
    byId(id).append(element('div', { class: 'group-of-passes' }, ...title, ...[draw(group)].flat()))
  }
}

function timelines({ passes }: Group): readonly Node[] {
  return passes.map((pass, index) => {
    const drawn = timelinePlots(pass, passColour(index), palette)
    const body =
      drawn.length > 0
        ? grid(drawn)
        : element('p', { class: 'card nothing-here', text: 'No server was asked while the load ran.' })
    return element('div', { class: 'timeline' }, element('h3', {}, passDot(index), pass.name), body)
  })
}

function grid(drawn: readonly Plot[]): HTMLElement {
  plots.push(...drawn)
  return element('div', { class: 'grid' }, ...drawn.map(({ card }) => card))
}

function originCard({ name, entries }: OriginGroup): HTMLElement {
  const list = element('dl')
  for (const [key, value] of entries) {
    list.append(element('div', {}, element('dt', { text: key! }), element('dd', { text: value! })))
  }
  return element('section', { class: 'card' }, element('h3', { text: name }), list)
}

function factsOf({ startedAt, origin }: PageData): string {
  const facts = new Map(origin.flatMap(({ entries }) => entries).map(([name, value]) => [name, value]))
  const machine = `${facts.get('cores')} cores of ${facts.get('CPU')}`
  return [
    minuteOf(startedAt),
    machine,
    `Node.js ${facts.get('Node.js of the server') ?? 'unknown'}`,
    `commit ${facts.get('commit')}`,
  ].join(' · ')
}

/** `2026-11-24 14:03 UTC`: the same for readers in every time zone. */
function minuteOf(iso: string): string {
  return `${iso.slice(0, 16).replace('T', ' ')} UTC`
}

function noteOf({ passes }: Group): string {
  const when = passes.map(
    ({ name, startedAt, seconds }) => `${name} from ${startedAt.slice(11, 19)} for ${Math.round(seconds)} s`,
  )
  const ratios = passes.length > 1 ? ` Ratios (×) are to ${passes[0]!.name}.` : ''
  return `Measured, warm-up done: ${when.join('; ')} (UTC).${ratios}`
}
