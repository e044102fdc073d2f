import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { whyNotCompose } from './compose.ts'
import { docker, findCompose } from './docker.ts'
import type { StackOptions } from './stack.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sentinel-docker-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

/** A machine with only these programs, each a line of shell. */
function machine(programs: Readonly<Record<string, string>>): { PATH: string } {
  for (const [name, script] of Object.entries(programs)) {
    writeFileSync(join(folder, name), `#!/bin/sh\n${script}\n`)
    chmodSync(join(folder, name), 0o755)
  }
  return { PATH: folder }
}

const found: Array<[string, Record<string, string>, string | string[]]> = [
  ['version 2', { docker: '' }, ['docker', 'compose']],
  ['version 1', { docker: '[ "$1" = info ]', 'docker-compose': '' }, ['docker-compose']],
  ['no Compose', { docker: '[ "$1" = info ]' }, 'Docker Compose is missing (apt-get install docker-compose)'],
  ['an engine that is down', { docker: 'exit 1', 'docker-compose': '' }, 'no Docker engine answers'],
  ['no Docker', {}, 'no Docker engine answers'],
]
it.each(found)('finds Docker Compose: %s', async (_what, programs, expected) => {
  expect(await findCompose(machine(programs))).toEqual(expected)
})

it('gives the output of docker, or its error text', async () => {
  expect(await docker(['ps', '-q'], machine({ docker: 'echo "$@"' }))).toBe('ps -q')
  await expect(docker(['ps'], machine({ docker: 'echo no rights >&2; exit 1' }))).rejects.toThrow('no rights')
})

const PLAIN = { store: 'influx', serverCount: 1, serverEnv: {} } as StackOptions
const unsuitable: Array<[Partial<StackOptions>, string]> = [
  [{}, ''],
  [{ store: 'victoria' }, 'docker-compose.yml has no VictoriaMetrics'],
  [{ serverCount: 2 }, 'docker-compose.yml has one server'],
  [{ serverEnv: { A: 'b' } }, 'the server needs settings of its own'],
  [{ serverCommand: (command) => command }, 'the server needs settings of its own'],
]
it.each(unsuitable)('knows what containers will not do for: %o', (options, why) => {
  expect(whyNotCompose({ ...PLAIN, ...options })).toBe(why)
})
