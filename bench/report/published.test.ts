import { homedir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { published } from './published.ts'

it.each([
  ['redis://app:hunter2@db:6379/0', 'redis://app:***@db:6379/0'],
  ['redis://:hunter2@db', 'redis://:***@db'],
  ['http://u:hunt@er2@db:8086/write?db=x', 'http://u:***@db:8086/write?db=x'],
  ['a redis://a:hunter2@b and c http://d:hunter2@e', 'a redis://a:***@b and c http://d:***@e'],
  ['http://db:8086/write?to=a@b', 'http://db:8086/write?to=a@b'],
  ['INFLUX_TOKEN=hunter2 RATE=5 bash scripts/benchmark.sh', 'INFLUX_TOKEN=*** RATE=5 bash scripts/benchmark.sh'],
  ['bench run --influx-token hunter2 --rate 5', 'bench run --influx-token *** --rate 5'],
  ['bench run --redis-password=hunter2', 'bench run --redis-password=***'],
  ['a token of thanks', 'a token of thanks'],
  [join(homedir(), 'bench/profiles'), '~/bench/profiles'],
])('%s becomes %s', (text, shown) => {
  expect(published({ text: [text] })).toEqual({ text: [shown] })
})

it('hides secrets by the name of their setting, but shows an unset one', () => {
  const settings = { 'influx.token': 'hunter2', redisPassword: 'hunter2', rate: '5', 'mqtt.secret': '' }
  expect(published(settings)).toEqual({ 'influx.token': '***', redisPassword: '***', rate: '5', 'mqtt.secret': '' })
})

it('leaves values that are not text unchanged', () => {
  expect(published({ a: 1, b: [true, null], c: undefined })).toEqual({ a: 1, b: [true, null] })
})
