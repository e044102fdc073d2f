import type { CutOff } from '../../internal/broker/broker.ts'
import { ageText } from '../../internal/text/duration.ts'
import { sizeText } from '../../internal/text/size.ts'
import type { Verdict } from './finding.ts'

/** A server that stands still for less than this should lose nothing. */
const ENOUGH_MS = 10_000
/** What is advised lasts for this long at the present rate, and is at least so much. */
const ADVISED_MS = 30_000
const ADVISED_MB = 256

/** What Redis' limit for subscribers means: how long a server may stand still before it loses what was sent to it. */
export function cutOffVerdict({ limit, isAssumed, bytesPerSecond }: CutOff): Verdict {
  const { hardBytes, softBytes, softMs } = limit
  if (Math.min(hardBytes, softBytes) === Infinity) {
    return { ok: true, text: 'Redis cuts no server off, however much waits for it: that takes memory of Redis' }
  }
  const size = sizeText(Math.min(hardBytes, softBytes))
  const cutsOff =
    hardBytes === Infinity
      ? `Redis cuts a server off that leaves ${size} unread for ${ageText(softMs)}`
      : `Redis cuts a server off that leaves ${sizeText(hardBytes)} unread`
  const assumed = isAssumed ? ' (its default: its user may not ask, which takes +config|get)' : ''
  if (bytesPerSecond === undefined) {
    return { ok: true, text: `${cutsOff}${assumed}; its user may not ask for the present rate, which takes +info` }
  }
  const msFor = (bytes: number): number => (bytes / bytesPerSecond) * 1000
  const lastsMs = Math.min(msFor(hardBytes), msFor(softBytes) + softMs)
  const rate = `${sizeText(bytesPerSecond)}/s`
  const text = `${cutsOff}${assumed}: ${ageText(lastsMs)} of the present ${rate}`
  if (lastsMs >= ENOUGH_MS) return { ok: true, text }
  const advised = advisedMB(bytesPerSecond)
  const line = `client-output-buffer-limit pubsub ${advised}mb ${advised / 4}mb 60`
  return {
    ok: true,
    warns: true,
    text: `${text}; a server that stands still for longer loses them. Put ${line} into redis.conf`,
  }
}

function advisedMB(bytesPerSecond: number): number {
  const neededMB = (bytesPerSecond * ADVISED_MS) / 1000 / 2 ** 20
  return Math.max(ADVISED_MB, 2 ** Math.ceil(Math.log2(neededMB)))
}
