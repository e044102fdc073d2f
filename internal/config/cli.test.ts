import { Command } from 'commander'
import { describe, expect, test } from 'vitest'
import { ROLE_NAMES, ROLES } from '../../cmd/program/roles.ts'
import { addSettingFlags, flagValues, runProgram, versionText } from './cli.ts'
import { ConfigError, EXIT } from './error.ts'
import { flagOf } from './names.ts'
import { isUsedBy } from './setting.ts'
import { allSettings } from './settings.ts'
import type { FlagValues } from './written.ts'

async function run(argv: readonly string[], action?: () => void) {
  let said = ''
  const say = (text: string): void => {
    said += text
  }
  let flags: FlagValues | undefined
  const program = new Command('sentinel').version(versionText('sentinel', '1.2.3', 'abcdef0123456'))
  for (const role of Object.values(ROLES)) {
    // Before `.command`, so that a subcommand writes there too.
    program.configureOutput({ writeOut: say, writeErr: say })
    const command = program.command(role.name).description(`runs ${role.name}`)
    addSettingFlags(command, role, [`sentinel ${role.name} --log-level debug`]).action(() => {
      flags = flagValues(command, role)
      action?.()
    })
  }
  const code = await runProgram(program, argv, say)
  return { code, said, flags }
}

describe('the command line', () => {
  test('gives its values by key, and nothing that was not written', async () => {
    const argv = ['server', '--influx-url', 'http://i', '--stats-every=1000', '--influx-gzip', '--config', 'a.yaml']
    const { code, flags } = await run(argv)
    expect(code).toBe(EXIT.ok)
    expect(flags).toEqual({
      config: 'a.yaml',
      'influx.url': 'http://i',
      'stats.every': '1000',
      'influx.gzip': 'true',
    })
  })

  test('turns a switch off in words', async () => {
    expect((await run(['server', '--influx-gzip', 'false'])).flags).toEqual({ 'influx.gzip': 'false' })
  })

  test('has short flags for a program with one duty: both spellings are one setting', async () => {
    const { flags } = await run(['generator', '--push', 'http://i', '--switches=8', '--generator-seed', '7'])
    expect(flags).toEqual({ 'generator.push': 'http://i', 'generator.switches': '8', 'generator.seed': '7' })
    const { said } = await run(['generator', '--help'])
    expect(said).toMatch(/--repeat, --generator-repeat <full\|not-modified>/)
    expect(said).not.toMatch(/--redis-url|--broker-kind|--data-path|--agent-host/)
    expect((await run(['up', '--push', 'http://i'])).code).toBe(EXIT.usage)
  })

  test.each([
    [['server', '--influx-ulr', 'x'], /unknown option '--influx-ulr'\n\(Did you mean --influx-url\?\)/],
    [['server', '--influx-tokn=hunter2'], /unknown option '--influx-tokn'\n\(Did you mean --influx-token\?\)/],
    [['servre'], /unknown command 'servre'\n\(Did you mean server\?\)/],
    [['server', '--influx-url'], /argument missing/],
    [['server', 'extra'], /too many arguments/],
    [['agent', '--influx-url', 'http://i'], /unknown option '--influx-url'/],
    [[], /Usage: sentinel/],
  ])('%j is wrong, and says how', async (argv, expected) => {
    const { code, said } = await run(argv)
    expect(said).toMatch(expected)
    expect(code).toBe(EXIT.usage)
  })

  test.each([[['--help']], [['help', 'server']], [['server', '-h']], [['--version']]])('%j ends well', async (argv) => {
    const { code, said } = await run(argv)
    expect(code).toBe(EXIT.ok)
    expect(said).not.toBe('')
  })

  test.each(ROLE_NAMES)('of %s has help for each of its settings, an example and the exit codes', async (role) => {
    const { said } = await run([role, '--help'])
    for (const [key, setting] of allSettings()) {
      const isThere = new RegExp(`^  (?:--[\\w-]+, )?${flagOf(key)} `, 'm').test(said)
      expect([key, isThere]).toEqual([key, isUsedBy(setting, ROLES[role])])
    }
    expect(said).toContain(`\n  sentinel ${role} --log-level debug\n`)
    expect(said).toContain('78 invalid settings')
  })
})

describe('a program that fails', () => {
  test('for its settings says all of what is wrong, and ends with 78', async () => {
    const { code, said } = await run(['up'], () => {
      throw new ConfigError(['api.port is wrong', 'so is redis.url'])
    })
    expect(said).toBe('sentinel: invalid settings:\n  api.port is wrong\n  so is redis.url\n')
    expect(code).toBe(EXIT.config)
  })

  test('for another reason says that, and ends with 1', async () => {
    const { code, said } = await run(['up'], () => {
      throw new Error('port 8080 is taken')
    })
    expect(said).toBe('sentinel: port 8080 is taken\n')
    expect(code).toBe(EXIT.failed)
  })
})

test('the version says what runs it', () => {
  expect(versionText('agent', '1.2.3', 'abcdef0123456')).toBe(
    `agent 1.2.3 (commit abcdef0, Node.js ${process.version})`,
  )
  expect(versionText('agent', '1.2.3')).toBe(`agent 1.2.3 (Node.js ${process.version})`)
})
