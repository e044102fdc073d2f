import { describe, expect, it } from 'vitest'
import { ApiError } from '../shared/api-error.ts'
import { failureText, refusalText, whoSentence, whoText, whyText } from './login-text.ts'

const who = (scopes: readonly string[], name: string | null = 'grafana', endsAt: number | null = null) => ({
  ...{ keyNeeded: true, name, scopes, endsAt },
})

describe('the log-in', () => {
  it.each<[string, ApiError | undefined, boolean, RegExp]>([
    ['nobody has logged in', undefined, false, /answers to those who have a key/],
    ['there is no key', new ApiError(401, 'missing'), false, /answers to those who have a key/],
    ['the key was taken before', new ApiError(401, 'missing'), true, /has ended, or was revoked/],
    ['the key lacks a scope', new ApiError(403, 'this needs read', { scope: 'read' }), true, /: this needs read\. /],
  ])('says why where %s', (_what, error, hadKey, text) => expect(whyText(error, hadKey)).toMatch(text))

  it.each<[string, string[], string | null, RegExp | undefined]>([
    ['may read', ['read'], 'grafana', undefined],
    ['may do all', ['read', 'write', 'admin'], 'grafana', undefined],
    [
      'may write alone',
      ['write'],
      'vmagent',
      /^The key vmagent has the scope write\. .* needs a key with the scope read/,
    ],
    ['is not seen', [], null, /takes the header X-API-Key away/],
  ])('with a key that %s', (_what, scopes, name, text) => {
    if (text === undefined) expect(refusalText(who(scopes, name))).toBeUndefined()
    else expect(refusalText(who(scopes, name))).toMatch(text)
  })

  it.each<[ApiError, RegExp]>([
    [new ApiError(401, 'x'), /wrong, has ended, or was revoked/],
    [new ApiError(429, 'x', { retryMs: 12_000 }), /Try again in 12 s/],
    [new ApiError(0, 'x'), /does not answer/],
    [new ApiError(502, 'bad gateway'), /\(502\): bad gateway/],
  ])('says what went wrong: %s', (error, text) => expect(failureText(error)).toMatch(text))

  it('names the key', () => {
    expect(whoText(who(['read', 'write']))).toBe('grafana · read, write')
    expect(whoSentence(who(['read']))).toBe('Key grafana may read.')
    expect(whoSentence(who(['read'], 'a', 1_796_000_000_000_000))).toMatch(
      /^Key a may read\. It ends (29|30) Nov \d\d:\d\d\.$/,
    )
  })
})
