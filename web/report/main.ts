import { byId, element } from '../dom.ts'
import { applyTheme, connectTheme, Palette } from '../theme.ts'
import { drawCurves, drawTimelines } from './charts.ts'
import type { PageData } from './data.ts'
import { drawFigures, drawPasses } from './figures.ts'
import { drawProfiles } from './profiles.ts'

applyTheme()
const data = JSON.parse(byId('data').textContent!) as PageData
const palette = new Palette()

document.title = `SentinelStream benchmark, ${minuteOf(data.startedAt)}`
byId('facts').textContent = factsOf(data)
byId('command').textContent = data.command
byId('figures-note').textContent = noteOf(data)
drawPasses(byId('passes'), data)
drawFigures(byId('figures-table'), data)
drawProfiles(byId('profiles-body'), data.passes)
drawOrigin()
// What scrolls sideways must be within reach of the keyboard.
for (const id of ['figures-table', 'command']) byId(id).tabIndex = 0
const plots = [
  ...drawCurves(byId('latency-charts'), data, palette),
  ...drawTimelines(byId('time-charts'), data.passes, palette),
]
connectTheme(byId<HTMLButtonElement>('theme'), () => {
  palette.forget()
  for (const plot of plots) plot.redraw()
})

function factsOf({ startedAt, origin }: PageData): string {
  const facts = new Map(origin.flatMap(({ entries }) => entries).map(([name, value]) => [name, value]))
  const machine = `${facts.get('cores')} cores of ${facts.get('CPU')}`
  return [minuteOf(startedAt), machine, `Node.js ${facts.get('Node.js')}`, `commit ${facts.get('commit')}`].join(' · ')
}

/** `2026-11-24 14:03 UTC`: the same for every reader. */
function minuteOf(iso: string): string {
  return `${iso.slice(0, 16).replace('T', ' ')} UTC`
}

function noteOf({ passes }: PageData): string {
  const when = passes.map(
    ({ name, startedAt, seconds }) => `${name} from ${startedAt.slice(11, 19)} for ${Math.round(seconds)} s`,
  )
  const ratios = passes.length > 1 ? ` Ratios (×) are to ${passes[0]!.name}.` : ''
  return `Measured, warm-up done: ${when.join('; ')} (UTC).${ratios}`
}

function drawOrigin(): void {
  const groups = data.origin.map(({ name, entries }) => {
    const list = element('dl')
    for (const [key, value] of entries)
      list.append(element('div', {}, element('dt', { text: key! }), element('dd', { text: value! })))
    return element('section', { class: 'card' }, element('h3', { text: name }), list)
  })
  byId('origin-groups').replaceChildren(...groups)
}
