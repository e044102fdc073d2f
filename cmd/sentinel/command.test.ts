import type { Command } from 'commander'
import { describe, expect, it } from 'vitest'
import { runProgram, versionText } from '../../internal/config/cli.ts'
import { roleCommand } from '../program/program.ts'
import { ROLE_NAMES, ROLES, type RoleName } from '../program/roles.ts'
import { sentinelCommand } from './command.ts'

/** Runs a program's command line in this process: for what needs no settings and starts nothing. */
async function type(program: string, words: readonly string[]) {
  const command = program === 'sentinel' ? sentinelCommand() : roleCommand(ROLES[program as RoleName])
  let [stdout, stderr] = ['', '']
  const listen = (to: Command): void => {
    to.configureOutput({
      writeOut: (text) => {
        stdout += text
      },
      writeErr: (text) => {
        stderr += text
      },
    })
    to.commands.forEach(listen)
  }
  listen(command)
  command.version(versionText(program, '1.2.3'), '--version')
  const code = await runProgram(command, words, (text) => {
    stderr += text
  })
  return { code, stdout, stderr }
}

const KEYS = ['keys', 'keys create', 'keys list', 'keys revoke']
const COMMANDS = [...ROLE_NAMES, 'validate', 'doctor', 'tail', 'version', 'dashboards', 'dashboards apply', ...KEYS]
/** Each program and each subcommand, as one types them. */
const TYPED: Array<readonly [typed: string, program: string, words: readonly string[]]> = [
  ...[...ROLE_NAMES.filter((name) => name !== 'up'), 'sentinel'].map((name) => [name, name, []] as const),
  ...COMMANDS.map((command) => [`sentinel ${command}`, 'sentinel', command.split(' ')] as const),
]

describe('help and version', () => {
  it.each(TYPED)('%s --help goes to stdout, with the exit codes', async (typed, program, words) => {
    const { code, stdout, stderr } = await type(program, [...words, '--help'])
    expect([code, stderr]).toEqual([0, ''])
    expect(stdout).toContain(`Usage: ${typed.split(' ').slice(0, 2).join(' ')}`)
    expect(stdout).toContain('Exit codes: 0 success, 1 failure, 2 wrong command line, 78 invalid settings')
    expect(stdout).not.toContain('display help')
    const role = words[0] ?? program
    if (!Object.hasOwn(ROLES, role)) return
    if (role === 'generator') {
      expect(stdout).toMatch(/--port, --generator-port <n> .*\(default: 9001; SENTINEL_GENERATOR_PORT\)/)
      expect(stdout).not.toContain('--redis-url')
    } else expect(stdout).toMatch(/--redis-url <url> .*\(default: redis:.*; SENTINEL_REDIS_URL, REDIS_URL\)/)
    expect(stdout).toMatch(/--stop-deadline-ms <time> .*\(default: 25s; SENTINEL_STOP_DEADLINE_MS\)/)
    expect(stdout).toMatch(/\nExamples:\n {2}\S/)
  })

  it('sentinel --help groups the commands', async () => {
    const { stdout } = await type('sentinel', ['--help'])
    expect(stdout.match(/^[A-Z][A-Za-z ]+:$/gm)).toEqual([
      ...['Options:', 'Run:', 'Look and check:', 'Repair:', 'Set up:', 'Benchmark:', 'Help:', 'Examples:'],
    ])
    for (const name of ROLE_NAMES) expect(stdout).toMatch(new RegExp(`^Run:\\n(?:  .*\\n)*  ${name} `, 'm'))
  })

  it.each(TYPED)('%s --version', async (_typed, program, words) => {
    const { code, stdout, stderr } = await type(program, [...words, '--version'])
    expect([code, stdout, stderr]).toEqual([0, `${versionText(program, '1.2.3')}\n`, ''])
  })
})

describe('a wrong command line ends with 2, and says on stderr what was meant', () => {
  it.each<[words: string[], said: string]>([
    [['upp'], "unknown command 'upp'\n(Did you mean up?)"],
    [['dashboards', 'aply'], "unknown command 'aply'\n(Did you mean apply?)"],
    [['up', '--redis-ulr', 'x'], "unknown option '--redis-ulr'\n(Did you mean --redis-url?)"],
    [['up', '--redis-ulr=x'], "unknown option '--redis-ulr'\n(Did you mean --redis-url?)"],
    [['up', 'now'], "too many arguments for 'up'"],
    [['tail', 'now'], "too many arguments for 'tail'"],
    [['up', '--redis-url'], "option '--redis-url <url>' argument missing"],
    [['agent', '--influx-url', 'http://h'], "unknown option '--influx-url'"],
    [['validate', 'servre'], 'Allowed choices are up, agent, server, api, generator, queue'],
    [['tail', '--api', 'localhost:8080'], 'It must be a URL, such as http://127.0.0.1:8080'],
    [[], 'Usage: sentinel'],
    [['dashboards'], 'Usage: sentinel dashboards'],
  ])('%j', async (words, said) => {
    const { code, stdout, stderr } = await type('sentinel', words)
    expect([code, stdout]).toEqual([2, ''])
    expect(stderr).toContain(said)
  })
})
