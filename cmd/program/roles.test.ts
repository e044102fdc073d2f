import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { ROLE_NAMES, ROLES } from './roles.ts'

const ROOT = new URL('../../', import.meta.url)
const read = (path: string): string => readFileSync(new URL(path, ROOT), 'utf8')
const has = (path: string): boolean => existsSync(new URL(path, ROOT))

/** `up` is a subcommand only. */
const ROLES_WITH_PROGRAM = ROLE_NAMES.filter((name) => name !== 'up')
const OTHER_PROGRAMS = ['sentinel', 'bench']

describe('the table of roles', () => {
  it('has a role for every program that is not sentinel or bench', () => {
    const programs = readdirSync(new URL('cmd', ROOT)).filter((folder) => has(`cmd/${folder}/main.ts`))
    expect(programs.sort()).toEqual([...ROLES_WITH_PROGRAM, ...OTHER_PROGRAMS].sort())
  })

  it.each(ROLE_NAMES)('has %s, whose folder opens its parts', (name) => {
    expect(has(`cmd/${name}/open.ts`)).toBe(true)
    expect(ROLES[name].name).toBe(name)
  })

  it('gives each two roles that run side by side ports of their own', () => {
    const ports = ROLES_WITH_PROGRAM.map((name) => ROLES[name].adminPort)
    expect(new Set(ports).size).toBe(ports.length)
  })
})

it('package.json puts sentinel on the path, which has every role as a subcommand', () => {
  const { bin } = JSON.parse(read('package.json')) as { bin: Readonly<Record<string, string>> }
  expect(bin).toEqual({ sentinel: 'dist/cmd/sentinel/main.js' })
})

it('the image exposes the admin port of every role', () => {
  const exposed = read('deploy/docker/Dockerfile')
    .match(/^EXPOSE (.*)$/m)![1]!
    .split(' ')
  for (const { adminPort } of Object.values(ROLES)) expect(exposed).toContain(`${adminPort}`)
})

it.each(ROLES_WITH_PROGRAM)('the README says how %s is started, and where it is administered', (name) => {
  expect(read('README.md')).toMatch(new RegExp(`^node dist/cmd/${name}/main\\.js .*:${ROLES[name].adminPort}$`, 'm'))
})
