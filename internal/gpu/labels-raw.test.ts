import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseLabels, writeLabels } from './labels-raw.ts'

describe('parseLabels', () => {
  it.each([
    ['gpu="0",UUID="GPU-1"', { gpu: '0', UUID: 'GPU-1' }],
    ['{gpu="0", UUID="GPU-1",}', { gpu: '0', UUID: 'GPU-1' }],
    ['app=ml-training', { app: 'ml-training' }],
    ['app=ml-training, team = a b ', { app: 'ml-training', team: 'a b' }],
    ['path="C:\\\\x",say="\\"a,b\\"",two="1\\n2"', { path: 'C:\\x', say: '"a,b"', two: '1\n2' }],
    ['app.kubernetes.io/name="x"', { 'app.kubernetes.io/name': 'x' }],
    ['', {}],
  ])('reads %j', (text, expected) => {
    expect(parseLabels(text)).toEqual({ labels: new Map(Object.entries(expected)), isWhole: true })
  })

  it.each(['no pairs', '="x"', 'a="1" b="2"', 'a="1",b="open', 'a="1",,b="2"'])(
    'says that %j is not all labels',
    (text) => {
      expect(parseLabels(text).isWhole).toBe(false)
    },
  )

  const name = fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_.:/-]{0,8}$/)
  it('reads what writeLabels wrote', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.tuple(name, fc.string()), { selector: ([label]) => label }), (labels) => {
        expect(parseLabels(writeLabels(labels))).toEqual({ labels: new Map(labels), isWhole: true })
      }),
    )
  })

  it('never fails, whatever the text', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom(...'a="\\,{} \n'), maxLength: 40 }),
        (text) => void parseLabels(text),
      ),
    )
  })
})
