import { expect, test } from 'vitest'
import { isFromOtherPage } from './other-sites.ts'

test.each([
  [{}, false],
  [{ 'sec-fetch-site': 'none' }, false],
  [{ 'sec-fetch-site': 'same-origin' }, false],
  [{ 'sec-fetch-site': 'same-site' }, true],
  [{ 'sec-fetch-site': 'cross-site' }, true],
  [{ 'sec-fetch-site': 'something-new' }, true],
  // Browsers leave Sec-Fetch-Site out where the address is neither HTTPS nor loopback.
  [{ origin: 'http://10.0.0.5:8080', host: '10.0.0.5:8080' }, false],
  [{ origin: 'https://dash.example.com', host: 'Dash.example.com' }, false],
  [{ origin: 'http://10.0.0.5:3000', host: '10.0.0.5:8080' }, true],
  [{ origin: 'http://evil.example', host: '10.0.0.5:8080' }, true],
  [{ origin: 'null', host: '10.0.0.5:8080' }, true],
  [{ origin: 'http://evil.example', host: 'a', 'sec-fetch-site': 'same-origin' }, false],
])('%j: %s', (headers, expected) => {
  expect(isFromOtherPage(headers)).toBe(expected)
})
