import { expect, it } from 'vitest'
import { linesToDraw } from './lines.ts'

const linesOf = (...labels: string[]) => labels.map((label) => ({ column: label, label }))
const disks = linesOf(...Array.from({ length: 40 }, (_, index) => `/data${index}`))
const numberOf = (column: string): number => Number(column.slice('/data'.length))
const labels = (lines: readonly { label: string }[]) => lines.map(({ label }) => label)

it('keeps the places of a few lines, whatever their values', () => {
  const few = linesOf('/', '/boot', '/home')
  expect(linesToDraw(few, (column) => column.length)).toEqual(few)
})

it('draws the sixteen largest of many, the largest first', () => {
  const drawn = linesToDraw(disks, numberOf)
  expect(labels(drawn)).toEqual(Array.from({ length: 16 }, (_, index) => `/data${39 - index}`))
})

it('puts unknown values last, and equal ones in the order of their names', () => {
  const drawn = linesToDraw(disks, (column) => (numberOf(column) < 3 ? null : 50 + numberOf(column) / 1000))
  expect(labels(drawn)).toEqual(Array.from({ length: 16 }, (_, index) => `/data${index + 3}`))
})
