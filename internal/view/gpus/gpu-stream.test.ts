import { describe, expect, it } from 'vitest'
import { LiveWay } from '../../../test/support/live-feed.ts'
import { Feed } from '../../live/feed.ts'
import { FeedFilter } from '../../live/feed-filter.ts'
import { GpuFilter } from './gpu-filter.ts'
import { GpusClient } from './gpu-stream.ts'
import { GpusView } from './gpus-view.ts'

interface Gpus {
  readonly whole: boolean
  readonly gpus: Array<{ readonly n: number; readonly uuid: string; readonly pod: string | null }>
}
interface Figures {
  readonly columns: string[]
  readonly rows: unknown[][]
}

/** A feed to which the same client belongs all the time, and the events that it got since it was last looked at. */
async function sceneOf(namespace?: string) {
  const way = new LiveWay()
  await way.table.open()
  const view = new GpusView(way.table)
  const feed = new Feed({ table: way.table, nowMs: way.clock.monotonicMs })
  let text = ''
  const sink = {
    write: (chunk: Buffer): boolean => {
      text += chunk
      return true
    },
    end: () => {},
    destroy: () => {},
  }
  const join = (): unknown =>
    feed.joinClient(
      () => new GpusClient(sink, view, way.clock, (gpu) => namespace === undefined || gpu.namespace === namespace),
    )
  const news = (): { gpus?: Gpus; figures?: Figures } => {
    const events = [...text.matchAll(/event: (\w+)\ndata: (.*)\n/g)].map(([, name, data]) => [name, JSON.parse(data!)])
    text = ''
    return Object.fromEntries(events)
  }
  /** After a second. */
  const tick = (): ReturnType<typeof news> => {
    way.clock.time += 1e6
    feed.tick()
    return news()
  }
  return { way, view, join, news, tick }
}

const A = { host: 'n1', uuid: 'GPU-a', gpu: '0' }
const B = { host: 'n2', uuid: 'GPU-b', gpu: '0' }

describe('the stream of all GPUs', () => {
  it('begins with all, and then brings what changed, a row a GPU', async () => {
    const { way, view, join, news, tick } = await sceneOf()
    way.send('gpu', A, { utilization_percent: 97, power_watts: 612.5, xid: 0 })
    way.send('gpu', B, { utilization_percent: 5 })
    join()
    const first = news()
    expect(first.gpus).toMatchObject({
      whole: true,
      gpus: [
        { n: 0, uuid: 'GPU-a', pod: null },
        { n: 1, uuid: 'GPU-b' },
      ],
    })
    expect(first.figures!.columns).toEqual([
      'n',
      'state',
      'seen',
      'utilization_percent',
      'memory_percent',
      'temperature_celsius',
      'power_watts',
      'xid',
    ])
    expect(first.figures!.rows).toEqual([
      [0, 0, null, 97, null, null, 612.5, 0],
      [1, 0, null, 5, null, null, null, null],
    ])
    expect(tick()).toEqual({})
    way.send('gpu', A, { utilization_percent: 97, power_watts: 612.5, xid: 0 })
    way.send('gpu', B, { utilization_percent: 6 })
    expect(tick()).toMatchObject({ figures: { rows: [[1, 0, null, 6, null, null, null, null]] } })
    way.send('gpu_info', B, { pod: 'train-1', namespace: 'ml' })
    expect(tick()).toMatchObject({ gpus: { whole: false, gpus: [{ n: 1, uuid: 'GPU-b', pod: 'train-1' }] } })
    way.send('gpu', { host: 'n3', gpu: '0' }, { temperature_celsius: 61 })
    expect(tick()).toMatchObject({
      gpus: { whole: false, gpus: [{ n: 2, uuid: null, hostname: 'n3', gpu_id: '0' }] },
      figures: { rows: [[2, 0, null, null, null, 61, null, null]] },
    })
    // What has been silent for too long has no figures of now, and says when it was seen last.
    const seen = [...view.all()].map(({ arrivedAt }) => arrivedAt)
    expect(new Set(seen).size).toBeGreaterThan(1)
    way.clock.time += 30e6
    way.table.sweep()
    const { rows } = tick().figures!
    expect(rows.map(([n, state, at, ...figures]) => [n, state, at, figures.every((one) => one === null)])).toEqual([
      [0, 1, seen[0], true],
      [1, 1, seen[1], true],
      [2, 1, seen[2], true],
    ])
  })

  it('says when the newest figures arrived, though none of them has changed', async () => {
    const { way, join, news, tick } = await sceneOf()
    way.send('gpu', A, { xid: 0 })
    const arrivedAt = way.clock.time
    join()
    expect(news().figures).toMatchObject({ newest: arrivedAt })
    expect(tick()).toEqual({})
    way.send('gpu', A, { xid: 0 })
    expect(tick()).toEqual({ figures: expect.objectContaining({ newest: arrivedAt + 1e6, rows: [] }) })
  })

  it('has the GPUs of a namespace while they are there', async () => {
    const { way, join, news, tick } = await sceneOf('ml')
    way.send('gpu', A, { xid: 0 })
    way.send('gpu_info', A, { namespace: 'web' })
    join()
    expect(news().gpus).toMatchObject({ whole: true, gpus: [] })
    way.send('gpu_info', A, { namespace: 'ml' })
    expect(tick()).toMatchObject({
      gpus: { whole: false, gpus: [{ n: 0 }] },
      figures: { rows: [[0, 0, null, null, null, null, null, 0]] },
    })
    way.send('gpu_info', A, { namespace: 'web' })
    expect(tick()).toMatchObject({ gpus: { whole: true, gpus: [] } })
  })
})

describe('the filter by GPU', () => {
  it('lets through figures and texts of the GPUs that are named', async () => {
    const { way, view } = await sceneOf()
    for (const tags of [A, B, { ...A, host: 'n3', uuid: 'GPU-c' }]) way.send('gpu', tags, { xid: 0 })
    way.send('gpu_info', B, { device_id: 'gpu-001' })
    way.send('cpu', { host: 'n1', uuid: 'GPU-a' }, { usage: 1 })
    const passing = (ids: string[], hostname?: string): string[] => {
      const filter = new FeedFilter(undefined, undefined, new GpuFilter(view, ids, hostname))
      return [...way.table.all()]
        .filter((live) => filter.passes(live))
        .map(({ series }) => `${series.measurement} ${series.tag('uuid')}`)
    }
    expect(passing(['GPU-a'])).toEqual(['gpu GPU-a'])
    expect(passing(['gpu-001', 'GPU-c'])).toEqual(['gpu GPU-b', 'gpu GPU-c', 'gpu_info GPU-b'])
    expect(passing(['0'])).toEqual([])
    expect(passing(['0'], 'n3')).toEqual(['gpu GPU-c'])
    expect(passing(['GPU-a'], 'n3')).toEqual([])
  })
})
