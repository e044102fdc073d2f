import { readFile } from 'node:fs/promises'
import { Baseline } from '../../bench/baseline/baseline.ts'
import { PlainLedger } from '../../bench/baseline/plain-ledger.ts'
import { PlainSubscriber } from '../../bench/baseline/subscriber.ts'
import { findWritePath, type InfluxPlace } from '../../bench/baseline/write-api.ts'
import type { Settings } from '../../internal/config/settings.ts'
import { LatencyRecorder } from '../../internal/observe/latency.ts'
import type { Context } from '../program/context.ts'

/** Opens the plain server: see Baseline. It stops in the order in which samples flow, as ours does. */
export async function openBaseline(context: Context): Promise<void> {
  const { settings, clock, throttle, releaser } = context
  const baseline = new Baseline({ influx: await influxPlace(settings), clock, throttle })
  const { ledger, latency } = baseline
  releaser.push('batches', (signal) => baseline.finish(signal))
  context.pipelines.push({ ledger: () => ledger.figures(), latency })
  context.summary.push(() => columns(ledger))
  await subscribe(context, (payload) => baseline.take(payload))
}

/** Opens a subscriber that only counts messages. In its ledger they are dropped. */
export async function openBare(context: Context): Promise<void> {
  const ledger = new PlainLedger()
  const latency = { internal: new LatencyRecorder(), e2e: new LatencyRecorder(), durable: new LatencyRecorder() }
  context.pipelines.push({ ledger: () => ledger.figures(), latency })
  context.summary.push(() => columns(ledger))
  await subscribe(context, () => {
    ledger.messages++
    ledger.dropped++
  })
}

async function subscribe(
  { settings, throttle, releaser, readiness }: Context,
  onMessage: (payload: Buffer) => void,
): Promise<void> {
  const { url = '', password } = settings.redis
  const subscriber = new PlainSubscriber({ redis: { url, password }, throttle, onMessage })
  releaser.push('intake', () => subscriber.stop())
  readiness.push(() => subscriber.problem)
  await subscriber.start()
}

function columns({ messages, written, rejected, dropped, held }: PlainLedger): Record<string, number> {
  return { received: messages, written, rejected, dropped, held }
}

/** The InfluxDB that our server would write to. */
async function influxPlace({ influx }: Settings): Promise<InfluxPlace> {
  const { tokenFile, org, bucket, writePath, gzip, timeoutMs } = influx
  const url = new URL(influx.url ?? '')
  // The client ignores the user and the password of a URL.
  const username = influx.username ?? decodeURIComponent(url.username)
  const password = influx.password ?? decodeURIComponent(url.password)
  url.username = ''
  url.password = ''
  const token = tokenFile === undefined ? (influx.token ?? '') : (await readFile(tokenFile, 'utf8')).trimEnd()
  const place = { url: url.href, token, username, password, org, bucket, gzip, timeoutMs }
  const found = await findWritePath(place)
  return { ...place, writePath: writePath === 'auto' ? found : writePath }
}
