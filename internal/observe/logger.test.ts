import type { Logger } from 'pino'
import { describe, expect, test } from 'vitest'
import { Redactor } from '../text/redactor.ts'
import { createLogger, type LoggerOptions } from './logger.ts'

function written(options: Partial<LoggerOptions>, log: (logger: Logger) => void): string {
  let lines = ''
  const destination = {
    write(line: string) {
      lines += line
    },
  }
  log(createLogger({ level: 'info', format: 'json', role: 'server', destination, ...options }))
  return lines
}

describe('a line', () => {
  test('is JSON with the level by name, the ISO time and the role', () => {
    const line = JSON.parse(written({}, (logger) => logger.info({ port: 80 }, 'listening')))
    expect(line).toEqual({ level: 'info', time: expect.any(String), role: 'server', port: 80, msg: 'listening' })
    expect(new Date(line.time).toISOString()).toBe(line.time)
  })

  test('keeps the chain of causes of an error', () => {
    const error = new Error('not written', { cause: new Error('connection refused') })
    const line = JSON.parse(written({}, (logger) => logger.error({ err: error }, 'write failed')))
    expect(line.err.message).toBe('not written: connection refused')
    expect(line.err.stack).toContain('caused by')
  })

  test('below the level is not written', () => {
    expect(written({ level: 'warn' }, (logger) => logger.info('quiet'))).toBe('')
  })

  test.each([
    ['auto', true, 'text'],
    ['auto', false, 'json'],
    ['text', false, 'text'],
    ['json', true, 'json'],
  ] as const)('in format %s, terminal: %s, is %s', (format, terminal, expected) => {
    const line = written({ format, terminal, colour: false }, (logger) => logger.info({ port: 80 }, 'listening'))
    expect(line.startsWith('{') ? 'json' : 'text').toBe(expected)
    if (expected === 'text') expect(line).toMatch(/^\[\d\d:\d\d:\d\d\.\d{3}\] INFO: listening \{"port":80\}\n$/)
  })

  test('is coloured only where that was asked for', () => {
    const say = (logger: Logger): void => logger.info('hello')
    expect(written({ format: 'text', colour: true }, say)).toContain('\u001b[')
    expect(written({ format: 'text', colour: false }, say)).not.toContain('\u001b[')
  })
})

describe('a secret', () => {
  const token = 'tok-"quoted"-123'
  const redactor = new Redactor([token])
  const cases: ReadonlyArray<[string, (logger: Logger) => void, string]> = [
    ['in a field of its name', (l) => l.info({ password: 'hunter2' }), 'hunter2'],
    ['one level down', (l) => l.info({ influx: { token: 'hunter2' } }), 'hunter2'],
    ['in a URL of a message', (l) => l.info('connecting to redis://app:hunter2@host:6379'), 'hunter2'],
    ['in the URL of an error', (l) => l.info({ err: new Error('http://app:hunter2@host/ refused') }), 'hunter2'],
    ['with an @ in it', (l) => l.info('connecting to redis://app:hun@ter2@host:6379'), 'ter2'],
    ['that is known, wherever it stands', (l) => l.info(`Authorization: Token ${token}`), 'quoted'],
  ]
  test.each(cases)('%s is not written, in either format', (_where, log, secret) => {
    for (const format of ['json', 'text'] as const) {
      const line = written({ redactor, format, colour: false }, log)
      expect(line).not.toContain(secret)
      expect(line).toMatch(/\[redacted\]|:\*\*\*@/)
    }
  })

  test('that becomes known later is not written from then on', () => {
    const known = new Redactor()
    const lines = written({ redactor: known }, (logger) => {
      known.add(['hunter2'])
      logger.info('the token hunter2')
    })
    expect(JSON.parse(lines).msg).toBe('the token [redacted]')
  })

  test('in a URL leaves the rest of it readable', () => {
    const line = written({}, (logger) => logger.info('redis://app:hunter2@host:6379/0 and http://host:8086/ping?a=b@c'))
    expect(JSON.parse(line).msg).toBe('redis://app:***@host:6379/0 and http://host:8086/ping?a=b@c')
  })

  test('that is very short does not cut holes into words', () => {
    expect(JSON.parse(written({ redactor: new Redactor(['a']) }, (logger) => logger.info('a banana'))).msg).toBe(
      'a banana',
    )
  })
})
