import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { ROLES } from '../../cmd/program/roles.ts'
import { configTable } from './describe.ts'

it('the README has the table of all settings as they are (npm run build && npm run docs writes it)', () => {
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8')
  const table = readme.split(/<!-- settings: .* -->\n/)[1]?.split('<!-- /settings -->')[0]
  expect(table).toBe(configTable(Object.values(ROLES)))
})
