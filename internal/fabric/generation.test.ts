import { describe, expect, it } from 'vitest'
import { type GenerationHead, parseHead } from './generation.ts'

const TARGET = { target: 'http://h/c', snapshot: 'a', bytes: 1, takenAtUs: 2, rows: 3, badRows: 0, up: true }
const HEAD: GenerationHead = {
  ...{ fabric: 'default', publisher: 'agent/a', id: 'b', atUs: 4, checkedAtUs: 5, intervalMs: 0.5, targets: [TARGET] },
  cycle: { fetchMs: 0, parseMs: 1.5, publishMs: 2 },
}

describe('the head of a generation', () => {
  it.each<[string, unknown]>([
    ['as it was written', HEAD],
    ['without targets', { ...HEAD, targets: [] }],
    ['of a target that is down', { ...HEAD, targets: [{ ...TARGET, up: false, error: 'it is gone' }] }],
    ['of a later version', { ...HEAD, colour: 'red', targets: [{ ...TARGET, size: 1 }] }],
  ])('is read: %s', (_, head) => {
    expect(parseHead(JSON.stringify(head))).toEqual(head)
  })

  it.each<[string, unknown]>([
    ['no object', 'head'],
    ['null', null],
    ['a list', []],
    ...Object.keys(HEAD).map((name): [string, unknown] => [`no ${name}`, { ...HEAD, [name]: undefined }]),
    ...Object.keys(TARGET).map((name): [string, unknown] => [
      `a target without ${name}`,
      { ...HEAD, targets: [TARGET, { ...TARGET, [name]: undefined }] },
    ]),
    ['a name that is empty', { ...HEAD, fabric: '' }],
    ['a time that is a text', { ...HEAD, atUs: '4' }],
    ['a time below 0', { ...HEAD, checkedAtUs: -1 }],
    ['a broken count', { ...HEAD, targets: [{ ...TARGET, rows: 1.5 }] }],
    ['targets that are no list', { ...HEAD, targets: { 0: TARGET } }],
    ['an error that is no text', { ...HEAD, targets: [{ ...TARGET, error: 500 }] }],
    ['a cycle without figures', { ...HEAD, cycle: {} }],
  ])('is not: %s', (_, head) => {
    expect(parseHead(JSON.stringify(head))).toBeUndefined()
  })

  it('is not: half a text', () => {
    expect(parseHead(JSON.stringify(HEAD).slice(0, 50))).toBeUndefined()
  })
})
