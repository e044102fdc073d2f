import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, it } from 'vitest'

const SCRIPT = fileURLToPath(new URL('../../scripts/tests-only.mjs', import.meta.url))

let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sentinel-tests-only-'))
  write('tsconfig.json', '{ "compilerOptions": { "target": "es2022", "strict": true, "types": [], "noEmit": true } }')
})
afterEach(() => rmSync(folder, { recursive: true }))

function write(path: string, ...lines: string[]): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true })
  writeFileSync(join(folder, path), lines.join('\n'))
}

function check(): { status: number | null; found: string[] } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [SCRIPT, folder], { encoding: 'utf8' })
  expect(stderr).toBe('')
  return { status, found: stdout.split('\n').filter((line) => line !== '') }
}

const unused = (at: string, name: string): string => `${at} ${name} is used by no product code: remove it, or use it`

it('reports what no product code uses, with its place', () => {
  write('cmd/main.ts', "import { Door } from '../internal/door.ts'", 'new Door().open()')
  write(
    'internal/door.ts',
    'export class Door implements Closing {',
    '  isOpen = false',
    '  open(): void { this.#turn() }',
    '  close(): void { if (this.isOpen) this.close() }',
    '  get width(): number { return 1 }',
    '  #turn(): void { this.isOpen = true }',
    '  private lock(): void {}',
    '}',
    'export const HEIGHT = 2',
    'export function paint(): void { paint() }',
    'export interface Paint { colour: string }',
    'interface Closing { close(): void }',
  )
  write(
    'internal/door.test.ts',
    "import { Door, HEIGHT, paint, type Paint } from './door.ts'",
    'new Door().close()',
    'paint()',
    'export const all: [Paint, number, number] = [{ colour: "red" }, HEIGHT, new Door().width]',
  )
  expect(check()).toEqual({
    status: 1,
    found: [
      unused('internal/door.ts:10', 'paint'),
      unused('internal/door.ts:11', 'Paint'),
      unused('internal/door.ts:4', 'Door.close'),
      unused('internal/door.ts:5', 'Door.width'),
      unused('internal/door.ts:9', 'HEIGHT'),
    ],
  })
})

it('knows each way to use a member', () => {
  write(
    'internal/ways.ts',
    'export interface Named { byInterface(): void }',
    'export interface Fitting { byShape(): void }',
    'export class Ways implements Named {',
    '  byName(): void {}',
    '  byKey(): void {}',
    '  taken(): void {}',
    '  renamed(): void {}',
    '  picked(): void {}',
    '  byInterface(): void {}',
    '  byShape(): void {}',
    '  byObjectType(): void {}',
    '  byScript(): void {}',
    '  toJSON(): string { return "JSON.stringify calls it" }',
    '}',
    'export class Shut extends Error { override message = "shut" }',
    'export class Later implements PromiseLike<void> { then(): never { throw new Error("await calls it") } }',
    'export const SCRIPTED = 1',
  )
  write(
    'cmd/main.ts',
    "import { type Fitting, Later, type Named, Shut, Ways } from '../internal/ways.ts'",
    'const ways = new Ways()',
    'ways.byName()',
    "ways['byKey']()",
    'const { taken, renamed: other } = ways',
    'taken()',
    'other()',
    "const part: Pick<Ways, 'picked'> = ways",
    'part.picked()',
    'const named: Named = ways',
    'named.byInterface()',
    'const fitting: Fitting = ways',
    'fitting.byShape()',
    'const typed: { byObjectType(): void } = ways',
    'typed.byObjectType()',
    'await new Later()',
    'throw new Shut()',
  )
  write(
    'scripts/draw.mjs',
    "import { SCRIPTED, Ways } from '../dist/internal/ways.js'",
    'new Ways().byScript(SCRIPTED)',
  )
  expect(check()).toEqual({ status: 0, found: [] })
})

it('leaves out what its list names, and says which entries are no longer needed', () => {
  write('cmd/main.ts', "import { Door } from '../internal/door.ts'", 'new Door().open()')
  write('internal/door.ts', 'export class Door { open(): void {} close(): void {} }')
  write('scripts/tests-only.json', '{ "internal/door.ts Door.close": "why", "internal/door.ts Door.open": "why" }')
  expect(check()).toEqual({
    status: 1,
    found: ['scripts/tests-only.json: "internal/door.ts Door.open" is not needed: it is gone, or product code uses it'],
  })
})
