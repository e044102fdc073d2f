import { describe, expect, it } from 'vitest'
import { ROLES } from '../../cmd/program/roles.ts'
import { ConfigError } from './error.ts'
import { loadSettings } from './load.ts'
import { SCRAPE_TARGETS } from './scrape-targets.ts'

const FILE = '/etc/targets'

/** The settings with these targets; of a text with a line end, from a file. @returns the targets, or what is wrong */
function load(written: string, flags: Readonly<Record<string, string>> = {}): unknown {
  const given: Record<string, string> = written.includes('\n')
    ? { 'scrape.targetsFile': FILE }
    : { 'scrape.targets': written }
  try {
    const readFile = () => ({ text: written, mode: 0o600 })
    const { settings, secrets } = loadSettings(ROLES.agent, { ...given, ...flags }, {}, readFile)
    return { targets: settings.scrape.targets.map((target) => ({ ...target })), secrets }
  } catch (error) {
    if (error instanceof ConfigError) return error.message.replace(/^scrape\.targets \(from .*?\)+: /, '')
    throw error
  }
}

const [A, B] = ['http://10.0.0.7:9100/metrics', 'http://10.0.0.8:9100/metrics']
const from = (...targets: readonly object[]): object => ({ targets, secrets: [] })

describe('targets', () => {
  it.each<[string, string, unknown]>([
    ['a list', `${A}, db=${B}`, from({ url: A }, { name: 'db', url: B })],
    ['a parameter is part of the URL', `${A}?collect[]=cpu`, from({ url: `${A}?collect[]=cpu` })],
    ['a file, one a line', `${A}\ndb=${B}\n`, from({ url: A }, { name: 'db', url: B })],
    ['a list in YAML', `# ours\n- ${A}\n- db=${B}\n`, from({ url: A }, { name: 'db', url: B })],
    [
      'all that an entry can have',
      `- url: https://gpu-1:9400/metrics\n  name: gpu-1\n  host: gpu-1\n  fabric: east\n  intervalMs: 1m\n  timeoutMs: 5s\n  username: ada\n  passwordFile: /p\n  caFile: /ca\n  certFile: /c\n  keyFile: /k\n  serverName: gpu\n- url: ${B}\n  bearerFile: /t\n`,
      from(
        { url: 'https://gpu-1:9400/metrics', name: 'gpu-1', host: 'gpu-1', fabric: 'east', intervalMs: 60_000, timeoutMs: 5000, username: 'ada', passwordFile: '/p', caFile: '/ca', certFile: '/c', keyFile: '/k', serverName: 'gpu' },
        { url: B, bearerFile: '/t' },
      ),
    ],
    ['a password in a URL', 'http://ada:s3cret@h/m', { targets: [{ url: 'http://ada:s3cret@h/m' }], secrets: ['s3cret', 'YWRhOnMzY3JldA=='] }],
  ])('%s', (_, written, expected) => {
    expect(load(written)).toEqual(expected)
  }) // biome-ignore format: a row a case

  it.each<[string, string]>([
    ['ftp://h/m', 'target 1: url "ftp://h/m" must be a URL that begins with http:// or https://'],
    [`${A},/var/lib/x.prom`, 'target 2: url "/var/lib/x.prom" must be a URL that begins with http:// or https://'],
    ['http://', 'target 1: url "http://" must be a URL that begins with http:// or https://'],
    [`a b=${A}`, 'target 1: name "a b" must have letters, digits, dots, dashes and underscores alone, at most 64'],
    [`${A},${A}`, `${A} stands twice: leave it out once, or give each a name`],
    [`a=${A},a=${B}`, 'the name a stands twice: give each target a name of its own'],
    ['http://ada:s3c@ret@h:x/m', 'target 1: url "http://***@h***" must be a URL that begins with http:// or https://'],
    ['- url: [\n', 'this is no YAML: write an entry a target, "- url: http://10.0.0.7:9100/metrics"'],
    ['---\nurl: x\n', 'this is no list of targets: begin each with "- url: …"'],
    [`- uri: ${A}\n`, 'target 1: there is no "uri", did you mean url?'],
    [`- url: ${A}\n  insecure: true\n`, 'target 1: there is no "insecure": it can have url, name, host, fabric, bearerFile, username, passwordFile, caFile, certFile, keyFile, serverName, intervalMs, timeoutMs'],
    ['- name: a\n', 'target 1: it has no url: write a URL that begins with http:// or https://'],
    ['- 5\n', 'target 1: write "- url: …", with a URL that begins with http:// or https://'],
    [`- url: ${A}\n  intervalMs: soon\n`, 'target 1: intervalMs "soon" must be a time from 100ms to 1h, such as 15s'],
    [`- url: ${A}\n  host: [a]\n`, 'target 1: host must be a text: leave it out where there is none'],
    [`- url: ${A}\n  bearerFile: /t\n  username: a\n`, 'target 1: it has bearerFile and username: leave one of them out'],
    [`- url: ${A}\n  passwordFile: /p\n`, 'target 1: it has a passwordFile and no username: name the user too'],
    ['- url: https://h/m\n  certFile: /c\n', 'target 1: certFile and keyFile belong together: name both or none'],
    [`- url: ${A}\n  caFile: /ca\n`, 'target 1: caFile is for https:// alone: change its url, or leave it out'],
    [`- url: ${A}\n  timeoutMs: 20s\n`, `scrape.timeoutMs (20s) of the target ${A} must not be above scrape.intervalMs (15s): lower it, or raise the other`],
  ])('%j: %s', (written, problem) => {
    expect(load(written)).toBe(problem)
  }) // biome-ignore format: a row a case

  it('that are asked often have a shorter timeout, unless another one is set', () => {
    expect(load(A, { 'scrape.intervalMs': '1s' })).toEqual(from({ url: A }))
    expect(load(A, { 'scrape.intervalMs': '1s', 'scrape.timeoutMs': '2s' })).toBe(
      'scrape.timeoutMs (2s) must not be above scrape.intervalMs (1s): lower it, or raise the other',
    )
  })

  it('are shown as they are written, without secrets', () => {
    const { parse, format } = SCRAPE_TARGETS
    const plain = `${A},db=${B}`
    expect([format(parse(plain)!), parse(plain)!.join(',')]).toEqual([plain, plain])
    const more = parse('- url: http://ada:s3cret@h/m?token=x\n  name: a\n  host: b\n')!
    expect(format(more)).toBe('a=http://ada:***@h/m?*** (and more)')
  })
})
