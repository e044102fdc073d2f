import type { QueuePartition } from '../../internal/view/queue/figures.ts'
import { countText } from '../../internal/text/count.ts'
import { ageText } from '../../internal/text/duration.ts'
import { UNKNOWN } from '../../internal/text/figure.ts'
import { sizeText } from '../../internal/text/size.ts'
import { element, setAttribute, setText } from '../shared/dom.ts'
import { readByTexts, readerText } from './groups.ts'
import { Trace } from './trace.ts'

const [SPARK_WIDTH, SPARK_HEIGHT] = [96, 18]
const SVG = 'http://www.w3.org/2000/svg'

interface Column {
  readonly name: string
  readonly value: (partition: QueuePartition) => number | null
  readonly text: (partition: QueuePartition) => string
}

/** The figures of a partition, in the order of the columns. */
export const COLUMNS: readonly Column[] = [
  { name: 'Length', value: ({ length }) => length, text: ({ length }) => countText(length) },
  { name: 'Lag', value: ({ lag }) => lag, text: ({ lag }) => (lag === null ? UNKNOWN : countText(lag)) },
  { name: 'Pending', value: ({ pending }) => pending, text: ({ pending }) => countText(pending) },
  { name: 'On disk', value: ({ overflow }) => overflow, text: ({ overflow }) => countText(overflow) },
  {
    name: 'Oldest',
    value: ({ oldestAgeMs }) => oldestAgeMs,
    text: ({ oldestAgeMs }) => (oldestAgeMs === 0 ? UNKNOWN : ageText(oldestAgeMs)),
  },
]

/** Names a partition in links and on the page. */
export function nameOf({ topic, partition }: Pick<QueuePartition, 'topic' | 'partition'>): string {
  return `${topic}:${partition}`
}

/** One partition: its figures, each with a line of the last two minutes, and below them what has to be done, and its groups where it is open. */
export class PartitionRow {
  readonly root = element('tbody', { class: 'queue-row' })
  readonly button: HTMLButtonElement
  readonly #figures: ReadonlyArray<{
    readonly number: HTMLElement
    readonly path: SVGPathElement
    readonly trace: Trace
  }>
  readonly #readBy = element('td', { class: 'queue-read-by', 'data-name': 'Read by' })
  readonly #more = element('td', { class: 'queue-more', colspan: `${COLUMNS.length + 2}` })
  readonly #moreRow = element('tr', {}, this.#more)
  #partition: QueuePartition | undefined
  #isOpen = false
  /** As they are drawn. */
  #moreKey = ''
  #readByKey = ''

  /** @param toggle is called when the reader opens or closes it */
  constructor(name: string, toggle: () => void) {
    const [, topic = '', partition = ''] = /^(.*):(\d+)$/.exec(name) ?? []
    const label = element(
      'span',
      {},
      element('span', { class: 'queue-topic', text: `${topic} ` }),
      element('b', { text: partition }),
    )
    this.button = element('button', { type: 'button', class: 'queue-name', 'aria-expanded': 'false' }, label)
    this.button.addEventListener('click', toggle)
    this.#figures = COLUMNS.map(() => {
      const { svg, path } = spark()
      return { svg, path, number: element('span', { class: 'queue-number' }), trace: new Trace() }
    })
    const cells = this.#figures.map(({ number, path }, index) =>
      element('td', { class: 'queue-figure', 'data-name': COLUMNS[index]!.name }, number, path.ownerSVGElement!),
    )
    this.root.append(
      element('tr', {}, element('th', { scope: 'row' }, this.button), ...cells, this.#readBy),
      this.#moreRow,
    )
  }

  /** Shows another look at it; undefined where the queue could not be looked at, or has no such partition any more. */
  take(partition: QueuePartition | undefined): void {
    this.#partition = partition ?? this.#partition
    for (const [index, { number, path, trace }] of this.#figures.entries()) {
      trace.push(partition === undefined ? null : COLUMNS[index]!.value(partition))
      path.setAttribute('d', trace.path(SPARK_WIDTH, SPARK_HEIGHT))
      if (partition !== undefined) setText(number, COLUMNS[index]!.text(partition))
    }
    this.#write()
  }

  open(isOpen: boolean): void {
    this.#isOpen = isOpen
    setAttribute(this.button, 'aria-expanded', String(isOpen))
    this.#write()
  }

  #write(): void {
    const partition = this.#partition
    if (partition === undefined) return
    setAttribute(this.root, 'data-level', partition.attention.length > 0 ? 'critical' : 'ok')
    const readBy = readByTexts(partition)
    const readByKey = readBy.join('\n')
    if (readByKey !== this.#readByKey || this.#readBy.childElementCount === 0) {
      this.#readByKey = readByKey
      const lines = readBy.length === 0 ? ['nobody yet'] : readBy
      this.#readBy.replaceChildren(...lines.map((text) => element('span', { text })))
    }
    const attention = partition.attention.map((text) => element('p', { class: 'queue-attention', text }))
    const details = this.#isOpen ? detailsOf(partition) : []
    const moreKey = [...attention, ...details].map(({ outerHTML }) => outerHTML).join('')
    if (moreKey === this.#moreKey && this.#moreRow.hidden === (moreKey === '')) return
    this.#moreKey = moreKey
    this.#moreRow.hidden = moreKey === ''
    this.#more.replaceChildren(...attention, ...details)
  }
}

function spark(): { svg: SVGSVGElement; path: SVGPathElement } {
  const svg = document.createElementNS(SVG, 'svg')
  const path = document.createElementNS(SVG, 'path')
  for (const [name, value] of Object.entries({
    class: 'spark',
    viewBox: `0 0 ${SPARK_WIDTH} ${SPARK_HEIGHT}`,
    preserveAspectRatio: 'none',
    'aria-hidden': 'true',
  }))
    svg.setAttribute(name, value)
  path.setAttribute('vector-effect', 'non-scaling-stroke')
  svg.append(path)
  return { svg, path }
}

/** The groups of a partition and their readers, and whose disks have some of it. */
function detailsOf({ groups, onDisk }: QueuePartition): HTMLElement[] {
  const lists = groups.map(({ group, lag, pending, oldestAgeMs, readers }) => {
    const facts = [
      `lag ${lag === null ? UNKNOWN : countText(lag)}`,
      `pending ${countText(pending)}`,
      ...(oldestAgeMs === 0 ? [] : [`oldest ${ageText(oldestAgeMs)}`]),
    ]
    const head = element('p', {}, element('b', { text: group }), ` ${facts.join(' · ')}`)
    const rows = readers.map((reader) =>
      element('li', {}, element('span', { text: reader.name }), ` ${readerText(reader)}`),
    )
    const list = rows.length === 0 ? element('p', { text: 'Nobody has read for it yet.' }) : element('ul', {}, ...rows)
    return element('div', { class: 'queue-group' }, head, list)
  })
  const disks = onDisk.map(({ gateway, messages, bytes }) =>
    element('p', { text: `${countText(messages)} on the disk of ${gateway}, ${sizeText(bytes)}` }),
  )
  const none = groups.length === 0 ? [element('p', { text: 'No group has read it yet.' })] : []
  return [...none, ...lists, ...disks]
}
