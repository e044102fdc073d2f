import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const ROOT = join(import.meta.dirname, '../..')

/** What it says and how it ends, when it is wrong from the beginning: before anything is installed, built or started. */
function run(command: string, args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const { status, stdout, stderr } = spawnSync(command, args, {
    cwd: ROOT,
    encoding: 'utf8',
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...env },
  })
  return { status, stdout, stderr }
}

const script = (...args: string[]) => run('bash', ['scripts/profile.sh', ...args])

const usage = script('--help').stdout
const tools = [...usage.matchAll(/^ {2}(\S+) +\w/gm)].map(([, tool]) => tool)

describe('scripts/profile.sh', () => {
  it('shows its tools and variables', () => {
    expect(tools).toEqual(['0x', 'clinic-flame', 'clinic-doctor', 'clinic-bubbleprof', 'heap'])
    for (const variable of ['DURATION', 'RATE', 'FORMAT']) expect(usage).toContain(variable)
  })

  it.each([
    [[], ''],
    [['perf'], 'there is no tool perf\n'],
    [['0X'], 'there is no tool 0X\n'],
    [['clinic', 'flame'], 'there is no tool clinic\n'],
    [['0x', 'heap'], 'one tool at a time: heap is one too many\n'],
  ])('refuses %j with the list', (args, complaint) => {
    expect(script(...args)).toEqual({ status: 2, stdout: '', stderr: complaint + usage })
  })

  it('has exactly the tools that docs/profiling.md explains', () => {
    const page = readFileSync(join(ROOT, 'docs/profiling.md'), 'utf8')
    const [, section = ''] = page.split('\n## Profilers with a page of their own\n')
    const explained = [...section.split('\n## ')[0]!.matchAll(/^\| `([\w-]+)` \|/gm)].map(([, tool]) => tool)
    expect(explained).toEqual(tools)
  })
})

describe('its settings', () => {
  let temporary: string

  beforeAll(() => {
    temporary = mkdtempSync(join(tmpdir(), 'sentinel-profile-script-'))
  })
  afterAll(() => rmSync(temporary, { recursive: true, force: true }))

  it.each([
    [{ DURATION: 'abc' }, 'DURATION: "abc" must be a time'],
    [{ RATE: 'fast' }, 'RATE: "fast" must be a whole number'],
    [{ FORMAT: 'xml' }, 'FORMAT: "xml" must be'],
    [{ PIPELINE: 'compare' }, 'PIPELINE: one at a time'],
  ])('%o are refused in words, and nothing is left', (env, complaint) => {
    const { status, stdout, stderr } = run(process.execPath, ['scripts/profilers/profile.mjs', '0x'], {
      ...env,
      TMPDIR: temporary,
    })
    expect(stderr).toContain(complaint)
    expect([status, stdout]).toEqual([78, ''])
    expect(readdirSync(temporary)).toEqual([])
  })
})

describe('scripts/profiling-cost.mjs', () => {
  it.each(['cpu', 'heap'])('says what a %s profile costs', (kind) => {
    const { status, stdout, stderr } = run(process.execPath, ['scripts/profiling-cost.mjs', kind, '1'])
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(stdout).toMatch(
      new RegExp(
        `^${kind} profile: \\d+ messages a ms of CPU without, \\d+ with\nit costs -?[\\d.]+ % .* \\d+ ms of CPU once\n$`,
      ),
    )
  })

  it('refuses a kind that there is not', () => {
    expect(run(process.execPath, ['scripts/profiling-cost.mjs', 'disk'])).toMatchObject({ status: 2, stdout: '' })
  })
})
