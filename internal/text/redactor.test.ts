import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Redactor } from './redactor.ts'

const TOKEN = 'mytoken-8f==Q/+x'

describe('a known secret', () => {
  const redactor = new Redactor([TOKEN, 'p&"w <1>', 'very-secret-pass@word-456', 'abc'])

  test.each([
    ['as it is', `401 token ${TOKEN} is not valid`, '401 token [redacted] is not valid'],
    ['twice', `${TOKEN}${TOKEN}`, '[redacted][redacted]'],
    ['in JSON', JSON.stringify({ said: 'p&"w <1>' }), '{"said":"[redacted]"}'],
    ['in a URL', `GET /query?q=${encodeURIComponent(TOKEN)} failed`, 'GET /query?q=[redacted] failed'],
    ['in a form', 'got a+b=p%26%22w+%3C1%3E', 'got a+b=[redacted]'],
    ['in HTML', '<p>p&amp;&#34;w &lt;1&gt;</p>', '<p>[redacted]</p>'],
    ['cut off', `${'x'.repeat(20)}${TOKEN.slice(0, 11)}…`, `${'x'.repeat(20)}[redacted]…`],
    ['with characters that a URL escapes', 'x very-secret-pass@word-456 y', 'x [redacted] y'],
    ['that is very short', 'abc is as easy as 1, 2, 3', 'abc is as easy as 1, 2, 3'],
  ])('%s', (_how, text, expected) => {
    expect(redactor.hide(text)).toBe(expected)
  })

  test('that is a part of another leaves nothing of either', () => {
    expect(new Redactor(['secret', 'secret-and-more']).hide('a secret-and-more b')).toBe('a [redacted] b')
  })

  test('may become known later', () => {
    const later = new Redactor()
    expect(later.hide('hunter2')).toBe('hunter2')
    later.add(['hunter2'])
    expect(later.hide('hunter2')).toBe('[redacted]')
  })

  test('is taken out of the message of an error', () => {
    const error = new Error(`refused ${TOKEN}`)
    expect(redactor.hideIn(error)).toBe(error)
    expect(error.message).toBe('refused [redacted]')
    expect(redactor.hideIn('no error')).toBe('no error')
  })

  test('never stays in a text, whatever it is made of', () => {
    const secret = fc.string({ minLength: 4, maxLength: 60, unit: 'binary' })
    fc.assert(
      fc.property(secret, fc.string(), fc.string(), (known, before, after) => {
        const clean = new Redactor([known]).hide(before + known + after)
        // What is left may have it by chance, as in '[redacted]' itself.
        fc.pre(!`${before}[redacted]${after}`.includes(known) && !'[redacted]***'.includes(known))
        expect(clean).not.toContain(known)
      }),
    )
  })
})

test.each([
  ['redis://app:hunter2@host:6379/0', 'redis://app:***@host:6379/0'],
  ['redis://:hunter2@host', 'redis://***@host'],
  ['http://hunter2@host/', 'http://***@host/'],
  ['http://hunter2:@host/', 'http://***@host/'],
  ['http://u:hun@ter2@host/a@b', 'http://u:***@host/a@b'],
  ['GET http://h:8086/query?u=admin&p=hunter2&q=x', 'GET http://h:8086/query?u=admin&p=***&q=x'],
  ['/write?db=a&access_token=hunter2', '/write?db=a&access_token=***'],
  ['http://h/ping?a=b@c', 'http://h/ping?a=b@c'],
  ['Authorization: Token hunter2', 'Authorization: Token [redacted]'],
  ['{"authorization":"Basic aHVudGVyMg=="}', '{"authorization":"Basic [redacted]"}'],
  ['{\\"Authorization\\":\\"Bearer hunter2\\"}', '{\\"Authorization\\":\\"Bearer [redacted]\\"}'],
  ['authorization=hunter2', 'authorization=[redacted]'],
  ['unauthorized: check the token', 'unauthorized: check the token'],
  ['the token is not valid', 'the token is not valid'],
])('%s is shown as %s, though nothing is known', (text, expected) => {
  expect(new Redactor().hide(text)).toBe(expected)
})
