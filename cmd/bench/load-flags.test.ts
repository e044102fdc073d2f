import { Command } from 'commander'
import { describe, expect, test } from 'vitest'
import { runProgram } from '../../internal/config/cli.ts'
import { EXIT } from '../../internal/config/error.ts'
import { addLoadFlags, type LoadFlags, readLoadFlags } from './load-flags.ts'

/** The flags of a command line, or the error that it gives. */
async function read(...argv: string[]): Promise<{ flags?: LoadFlags; said: string; code: number }> {
  let flags: LoadFlags | undefined
  let said = ''
  const say = (text: string): void => {
    said += text
  }
  const command = new Command('bench').configureOutput({ writeErr: say })
  addLoadFlags(command, []).action(() => {
    flags = readLoadFlags(command)
  })
  const code = await runProgram(command, argv, say)
  return { ...(flags === undefined ? {} : { flags }), said, code }
}

describe('the flags of a load', () => {
  test('have defaults', async () => {
    expect((await read()).flags).toEqual({
      ...{ workers: 64, duration: 30_000, warmup: 5000, rate: 0, format: 'packed', binary: true, broker: 'pubsub' },
      ...{ hosts: 0, samplesPerMessage: 100, values: 'walk', threads: 1, server: ['http://127.0.0.1:6060'] },
      ...{ json: undefined, count: true, settings: {} },
    })
  })

  test.each<[string[], Partial<LoadFlags>]>([
    [['--binary=false'], { format: 'json' }],
    [['--binary'], { format: 'packed' }],
    [['--binary', 'false', '--format', 'frame'], { format: 'frame' }],
    [['--duration', '2m', '--warmup', '0', '--rate', '25000'], { duration: 120_000, warmup: 0, rate: 25_000 }],
    [
      ['--server', 'http://a:1,http://b:2', '--server=https://c'],
      { server: ['http://a:1', 'http://b:2', 'https://c'] },
    ],
    [['--server', 'none', '--no-count'], { server: [], count: false }],
    [['--server', 'http://a:1', '--server', 'none'], { server: [] }],
    [['--broker', 'streams', '--broker-topic', 't'], { settings: { 'broker.kind': 'streams', 'broker.topic': 't' } }],
    [['--samples-per-message', '10', '--json', 'a.json'], { samplesPerMessage: 10, json: 'a.json' }],
    [['--hdr', 'latencies'], { hdr: 'latencies' }],
  ])('%j', async (argv, expected) => {
    expect((await read(...argv)).flags).toMatchObject(expected)
  })

  test.each([
    [['--duration', 'abc'], "argument 'abc' is invalid. It must be a time from 1s to 1d"],
    [['--rate', '2000000'], 'It must be a whole number from 0 to 1000000.'],
    [['--format', 'xml'], 'It must be one of packed, json, frame.'],
    [['--binary', 'maybe'], 'It must be true or false.'],
    [['--server', 'localhost:6060'], 'It must be none, or URLs'],
    [['--server', ''], 'It must be none, or URLs'],
    [['--format', 'frame', '--workers', '1000', '--samples-per-message', '10000'], 'take too much memory'],
    [['--hdr', 'x', '--server', 'none'], '--hdr writes the latencies that servers measure: name them with --server'],
    [['--agent-host', 'x'], "unknown option '--agent-host'"],
  ])('%j is wrong, and says what is allowed', async (argv, words) => {
    const { flags, said, code } = await read(...argv)
    expect(said).toContain(words)
    expect([flags, code]).toEqual([undefined, EXIT.usage])
  })
})
