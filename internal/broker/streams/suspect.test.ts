import { describe, expect, it } from 'vitest'
import { nextGroup, Suspect } from './suspect.ts'

const TOOK_IT = (): string => ''
const THREW = (): string => 'cannot process it'
const LONG = 1000

function suspect(failedTrials: number, { partition = 0, problem = '' } = {}): Suspect {
  const made = new Suspect(partition, `${partition}-${failedTrials}`, 5, problem)
  made.recall(failedTrials)
  return made
}

describe('a suspect', () => {
  it.each([0, 1, 2, 3, 4])('waits after %d failed trials', (failedTrials) => {
    expect(suspect(failedTrials)).toMatchObject({ state: 'waiting', failedTrials })
  })

  it.each([5, 6, 1000])('is convicted after %d failed trials', (failedTrials) => {
    expect(suspect(failedTrials)).toMatchObject({ state: 'convicted', failedTrials: 5 })
  })

  it('is tried alone next when the handler threw on it', () => {
    expect(suspect(0, { problem: 'cannot process it' })).toMatchObject({ state: 'waiting', failedTrials: 2 })
    expect(suspect(4, { problem: 'cannot process it' })).toMatchObject({ state: 'waiting', failedTrials: 4 })
  })

  const cases = [
    { handler: TOOK_IT, how: 'acked', alone: true, becomes: 'gone', failedTrials: 3 },
    { handler: TOOK_IT, how: 'acked', alone: false, becomes: 'gone', failedTrials: 3 },
    { handler: TOOK_IT, how: 'interrupted', alone: true, becomes: 'gone', failedTrials: 3 },
    { handler: THREW, how: 'acked', alone: true, becomes: 'convicted', failedTrials: 5 },
    { handler: THREW, how: 'acked', alone: false, becomes: 'waiting', failedTrials: 2 },
    { handler: THREW, how: 'interrupted', alone: true, becomes: 'waiting', failedTrials: 3 },
    { handler: THREW, how: 'interrupted', alone: false, becomes: 'waiting', failedTrials: 3 },
  ] as const
  it.each(cases)('becomes $becomes after a trial: $handler.name, $how, alone: $alone', (each) => {
    const tried = suspect(3)
    tried.putOnTrial(each.handler)
    expect(tried.state).toBe('on trial')
    tried.endTrial(each.how, each.alone)
    expect(tried).toMatchObject({ state: each.becomes, failedTrials: each.failedTrials })
  })

  it('refuses what its state does not allow', () => {
    const made = new Suspect(0, '1-0', 5, '')
    expect(() => made.putOnTrial(TOOK_IT)).toThrow('a suspect that is new cannot become on trial')
    made.recall(5)
    expect(() => made.putOnTrial(TOOK_IT)).toThrow('a suspect that is convicted cannot become on trial')
    made.leave()
    expect(() => made.recall(0)).toThrow('a suspect that is gone cannot become waiting')
  })
})

describe('the next group', () => {
  it('is tried when the process has lived long enough for its stage', () => {
    const dueFrom = [0, 1, 2, 3, 4].map((failedTrials) => {
      const one = suspect(failedTrials)
      return Array.from({ length: 200 }, (_, lived) => lived).find((lived) => one.isDue(lived))
    })
    expect(dueFrom).toEqual([0, 1, 30, 60, 120])
    expect(suspect(0, { problem: 'cannot process it' }).isDue(0)).toBe(true)
    expect(suspect(5).isDue(LONG)).toBe(false)
    expect(new Suspect(0, '1-0', 5, '').isDue(LONG)).toBe(false)
  })

  it('gets smaller with each failed trial', () => {
    const sizes = [0, 1, 2, 3, 4].map((failedTrials) => {
      const many = Array.from({ length: 2000 }, () => suspect(failedTrials))
      return nextGroup(many, LONG).length
    })
    expect(sizes).toEqual([1000, 32, 1, 1, 1])
  })

  it('has the fewest failed trials, and is of one partition', () => {
    const waiting = [
      suspect(1),
      suspect(0, { partition: 2 }),
      suspect(0, { partition: 1 }),
      suspect(0, { partition: 2 }),
    ]
    expect(nextGroup(waiting, LONG)).toEqual([waiting[1], waiting[3]])
    expect(nextGroup([suspect(2)], 29)).toEqual([])
    expect(nextGroup([], LONG)).toEqual([])
  })
})
