import type { QueueFigures, QueueGateway, QueuePartition } from '../../internal/view/queue/figures.ts'
import { countOf, countText } from '../../internal/text/count.ts'
import { ageText } from '../../internal/text/duration.ts'
import { UNKNOWN } from '../../internal/text/figure.ts'
import { sizeText } from '../../internal/text/size.ts'
import type { QueueAnswer } from '../shared/api.ts'
import type { ApiError } from '../shared/api-error.ts'
import { byId, element, setAttribute, setText } from '../shared/dom.ts'
import { QUEUE_VIEW, type QueueViewState } from '../shared/url-state.ts'
import { namesText, type WholeGroup, wholeGroups } from './groups.ts'
import { COLUMNS, nameOf, PartitionRow } from './partition-row.ts'
import { QueuePoll } from './queue-poll.ts'

/** The API is asked every second. */
const SILENT_MS = 5000

export interface QueueViewOptions {
  /** Shows something else, as a new state of the page. */
  readonly go: (queue: QueueViewState) => void
  /** The API answered, or why not. */
  readonly answered: (error?: ApiError) => void
}

/** The view of the queue: a row a partition, the groups that read it, and the gateways before it. */
export class QueueView {
  readonly #options: QueueViewOptions
  readonly #poll: QueuePoll
  readonly #rows = new Map<string, PartitionRow>()
  #figures: QueueFigures | undefined
  #answeredAtMs = 0
  #engineError: ApiError | null = null
  #state: QueueViewState = QUEUE_VIEW
  #isOpen = false

  constructor(options: QueueViewOptions) {
    this.#options = options
    this.#poll = new QueuePoll({
      answered: (answer) => this.#take(answer),
      failed: (error) => this.#miss(error),
    })
    const names = ['Partition', ...COLUMNS.map(({ name }) => name), 'Read by']
    byId('queue-partitions').append(
      element('thead', {}, element('tr', {}, ...names.map((text) => element('th', { scope: 'col', text })))),
    )
  }

  /** What is known, for the notice in place of the rows. */
  get known(): { readonly isKnown: boolean; readonly reason: string | null; readonly engineError: ApiError | null } {
    const reason = this.#figures?.reason ?? null
    return { isKnown: this.#figures !== undefined, reason, engineError: this.#engineError }
  }

  /** How old is what is shown, ms; undefined before the first answer. */
  get ageMs(): number | undefined {
    return this.#figures === undefined ? undefined : performance.now() - this.#answeredAtMs
  }

  get isStale(): boolean {
    return (this.ageMs ?? 0) > SILENT_MS
  }

  show(state: QueueViewState): void {
    this.#state = state
    for (const [name, row] of this.#rows) row.open(name === state.open)
  }

  open(): void {
    if (this.#isOpen) return
    this.#isOpen = true
    this.#poll.start()
  }

  close(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#poll.stop()
    // Nobody looked meanwhile.
    for (const row of this.#rows.values()) row.take(undefined)
  }

  draw(): void {
    this.#writeTrouble()
    setAttribute(byId('queue'), 'data-stale', String(this.isStale))
  }

  /** Moves the focus to the next row, or for a negative step to one before. */
  neighbour(step: number): void {
    const buttons = [...this.#rows.values()].map(({ button }) => button)
    const at = buttons.findIndex((button) => button.matches(':focus'))
    const next = at === -1 ? (step > 0 ? 0 : buttons.length - 1) : Math.min(Math.max(at + step, 0), buttons.length - 1)
    buttons[next]?.focus()
  }

  #take({ figures }: QueueAnswer): void {
    this.#figures = figures
    this.#answeredAtMs = performance.now()
    this.#engineError = null
    this.#options.answered()
    this.#writePartitions(figures.partitions)
    this.#writeGroups(wholeGroups(figures.partitions))
    this.#writeGateways(figures.gateways)
    setText(byId('queue-facts'), factsOf(figures))
    this.draw()
  }

  #miss(error: ApiError): void {
    if (error.status === 503) this.#engineError = error
    for (const row of this.#rows.values()) row.take(undefined)
    this.#options.answered(error)
    this.draw()
  }

  #writePartitions(partitions: readonly QueuePartition[]): void {
    const wanted = new Map(partitions.map((partition) => [nameOf(partition), partition]))
    for (const [name, row] of this.#rows) {
      if (wanted.has(name)) continue
      row.root.remove()
      this.#rows.delete(name)
    }
    const table = byId('queue-partitions')
    for (const [index, [name, partition]] of [...wanted].entries()) {
      const row = this.#rows.get(name) ?? this.#makeRow(name)
      row.take(partition)
      // The head of the table comes first.
      const place = table.children[index + 1]
      if (place !== row.root) table.insertBefore(row.root, place ?? null)
    }
  }

  #makeRow(name: string): PartitionRow {
    const row = new PartitionRow(name, () =>
      this.#options.go({ ...this.#state, open: this.#state.open === name ? null : name }),
    )
    row.open(this.#state.open === name)
    this.#rows.set(name, row)
    return row
  }

  #writeGroups(groups: readonly WholeGroup[]): void {
    const head = ['Group', 'Topic', 'Lag', 'Pending', 'Oldest', 'Readers']
    const rows = groups.map(({ group, topic, lag, pending, oldestAgeMs, readers, gone, needsSomebody }) => ({
      level: needsSomebody ? 'critical' : 'ok',
      cells: [
        group,
        topic,
        lag === null ? UNKNOWN : countText(lag),
        countText(pending),
        oldestAgeMs === 0 ? UNKNOWN : ageText(oldestAgeMs),
        [
          readers.length === 0 ? 'nobody' : namesText(readers),
          ...(gone.length === 0 ? [] : [`gone: ${namesText(gone)}`]),
        ].join('; '),
      ],
    }))
    const none =
      'No group yet: a server makes one when it starts with --broker-kind streams, a gateway when a consumer connects.'
    byId('queue-groups').replaceChildren(
      rows.length === 0 ? element('p', { class: 'none', text: none }) : table(head, rows),
    )
  }

  #writeGateways(gateways: readonly QueueGateway[]): void {
    byId('queue-gateways-card').hidden = gateways.length === 0
    const head = ['Gateway', 'On disk', 'Of its bound', 'Clients', 'State']
    const rows = gateways.map(({ name, messages, bytes, maxBytes, consumers, silentMs, attention }) => ({
      level: attention.length > 0 ? 'critical' : 'ok',
      cells: [
        name,
        messages === 0 ? 'nothing' : countOf(messages, 'message'),
        `${sizeText(bytes)} of ${sizeText(maxBytes)}`,
        countText(consumers),
        silentMs === 0 ? 'answers' : `silent for ${ageText(silentMs)}`,
      ],
      below: attention,
    }))
    byId('queue-gateways').replaceChildren(table(head, rows))
  }

  #writeTrouble(): void {
    const trouble = byId('queue-trouble')
    const ageMs = this.ageMs ?? 0
    const partitions = this.#figures?.partitions.filter(({ attention }) => attention.length > 0).length ?? 0
    const gateways = this.#figures?.gateways.filter(({ attention }) => attention.length > 0).length ?? 0
    const texts: string[] = []
    if (this.#engineError !== null) {
      texts.push(
        `Redis does not answer: what you see is ${ageText(ageMs)} old. Gateways keep what they are sent on their disks.`,
      )
    } else {
      const what = [
        ...(partitions === 0 ? [] : [countOf(partitions, 'partition')]),
        ...(gateways === 0 ? [] : [countOf(gateways, 'gateway')]),
      ]
      const needs = partitions + gateways === 1 ? 'needs' : 'need'
      if (what.length > 0) texts.push(`${what.join(' and ')} ${needs} somebody: the red lines say what to do.`)
    }
    trouble.hidden = texts.length === 0
    setAttribute(trouble, 'data-level', this.#engineError === null ? 'critical' : 'warning')
    setText(trouble, texts.join(' '))
  }
}

interface Row {
  readonly level: string
  readonly cells: readonly string[]
  readonly below?: readonly string[]
}

function table(head: readonly string[], rows: readonly Row[]): HTMLElement {
  const bodies = rows.map(({ level, cells, below = [] }) => {
    const [first = '', ...others] = cells
    const row = element(
      'tr',
      {},
      element('th', { scope: 'row', text: first }),
      ...others.map((text, index) => element('td', { 'data-name': head[index + 1]!, text })),
    )
    const notes = below.map((text) => element('p', { class: 'queue-attention', text }))
    const more =
      notes.length === 0
        ? []
        : [element('tr', {}, element('td', { class: 'queue-more', colspan: `${head.length}` }, ...notes))]
    return element('tbody', { class: 'queue-row', 'data-level': level }, row, ...more)
  })
  const titles = head.map((text) => element('th', { scope: 'col', text }))
  return element('table', { class: 'queue-table' }, element('thead', {}, element('tr', {}, ...titles)), ...bodies)
}

/** `2 topics · 8 partitions · 3 groups`; nothing where there is no queue, which a notice tells. */
function factsOf({ reason, partitions, total }: QueueFigures): string {
  if (reason !== null) return ''
  const topics = new Set(partitions.map(({ topic }) => topic)).size
  const groups = new Set(partitions.flatMap(({ topic, groups }) => groups.map(({ group }) => `${topic} ${group}`))).size
  const shown = total > partitions.length ? `${countText(partitions.length)} of ` : ''
  return [countOf(topics, 'topic'), `${shown}${countOf(total, 'partition')}`, countOf(groups, 'group')].join(' · ')
}
