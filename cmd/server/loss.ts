import type { Broker } from '../../internal/broker/broker.ts'
import { LossTracker, type RunOddity } from '../../internal/ingest/loss/loss.ts'
import type { LogThrottle } from '../../internal/observe/log-throttle.ts'

const ODDITIES: Readonly<Record<RunOddity, string>> = {
  doubted: 'the numbers of a message cannot be true: they are ignored, unless the next message goes on from there',
  restarted: 'a run begins anew under the same name: it is counted from here on. Give each start a name of its own',
  leapt: 'the numbers of a run leapt ahead: what it lost is unknown, and it is counted from here on',
}

/** What counts the messages that never arrive. */
export function createLossTracker(broker: Broker, throttle: LogThrottle): LossTracker {
  const loss = new LossTracker({
    kept: broker.kind === 'streams',
    // In one process, what came before went to the server of the process before.
    mayMiss: () => broker.kind !== 'memory',
    onOddity: (oddity, { run, seq }) => throttle.warn(`run ${oddity}`, { run, seq }, ODDITIES[oddity]),
  })
  if (broker.kind === 'streams') loss.share()
  return loss
}

/** Why the loss is unknown, and not 0: how often each reason was met. */
export function lossUnknown({ unnumberedMessages, runsMetLate, runsLeapt }: LossTracker): Array<[string, number]> {
  return [
    ['unnumbered', unnumberedMessages],
    ['met_late', runsMetLate],
    ['leapt', runsLeapt],
  ]
}

export function lossKnown(loss: LossTracker): boolean {
  return lossUnknown(loss).every(([, count]) => count === 0)
}
