import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { InvalidArgumentError } from 'commander'
import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openDeadLetters } from '../../../internal/dead-letters/dead-letters.ts'
import { letterId, OF_AGENT, select } from './selection.ts'

let path: string
beforeEach(async () => {
  path = await mkdtemp(join(tmpdir(), 'sentinel-selection-'))
})
afterEach(() => rm(path, { recursive: true }))

async function keep(folder: string, times: readonly number[]): Promise<void> {
  const letters = await openDeadLetters({
    folder: join(path, folder),
    maxBytes: 1 << 20,
    logger: pino({ enabled: false }),
  })
  for (const at of times) letters.add({ at, kind: 'text', reason: 'labels', detail: '', source: folder, payload: 'x' })
  await letters.close()
}

describe('letters of a server and of an agent', () => {
  const cases: Array<[server: number[], agent: number[], ids: string[], expected: string[]]> = [
    [[1, 4], [2, 3, 5], [], ['0', 'agent-0', 'agent-1', '1', 'agent-2']],
    [[2], [2], [], ['0', 'agent-0']],
    [[], [7], [], ['agent-0']],
    [[7], [], [], ['0']],
    [[], [], [], []],
    [
      [1, 2],
      [1, 2],
      ['1', 'agent-0'],
      ['agent-0', '1'],
    ],
  ]
  it.each(cases)(
    'of the times %j and %j are one list, of which %j are chosen',
    async (server, agent, ids, expected) => {
      await keep('server', server)
      await keep('agent', agent)
      const folders = [{ path: join(path, 'server') }, { path: join(path, 'agent'), prefix: OF_AGENT }]
      const names: string[] = []
      for await (const { name } of select(folders, {}, ids)) names.push(name)
      expect(names).toEqual(expected)
    },
  )

  it('are closed where nobody wants the rest', async () => {
    await keep('server', [1, 2])
    for await (const { name } of select([{ path: join(path, 'server') }], {}, [])) {
      expect(name).toBe('0')
      break
    }
  })
})

describe('letterId', () => {
  it.each([
    ['7', '7'],
    ['007', '7'],
    ['agent-12', 'agent-12'],
  ])('takes %s for %s', (text, id) => expect(letterId(text)).toBe(id))
  it.each(['', 'x', '-1', 'agent-', 'agent-x', 'server-1', '1e3'])('refuses %j', (text) =>
    expect(() => letterId(text)).toThrow(InvalidArgumentError),
  )
})
