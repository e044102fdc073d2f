import type { Broker, SubscribeOptions } from '../../internal/broker/broker.ts'
import { LossTracker, type RunOddity } from '../../internal/ingest/loss/loss.ts'
import type { LogThrottle } from '../../internal/observe/log-throttle.ts'

const ODDITIES: Readonly<Record<RunOddity, string>> = {
  doubted: 'the numbers of a message cannot be true: they are ignored, unless the next message goes on from there',
  restarted: 'a run begins anew under the same name: it is counted from here on. Give each start a name of its own',
  leapt: 'the numbers of a run leapt ahead: what it lost is unknown, and it is counted from here on',
}

/** What counts the messages that never arrive. */
export function createLossTracker(broker: Broker, throttle: LogThrottle): LossTracker {
  const mayMiss: Readonly<Record<Broker['kind'], () => boolean>> = {
    pubsub: () => true,
    // A stream has every message from the first one on, unless something of it was taken away.
    streams: () => broker.stats.groupsMade + broker.stats.groupsRemade + vanished(broker) + trimmed(broker) > 0,
    // What came before went to the server of the process before.
    memory: () => false,
  }
  return new LossTracker({
    kept: broker.kind === 'streams',
    mayMiss: mayMiss[broker.kind],
    onOddity: (oddity, { run, seq }) => throttle.warn(`run ${oddity}`, { run, seq }, ODDITIES[oddity]),
  })
}

/** Closes gaps once a stream has nothing of them left. With other servers beside this one, nobody can tell. */
export function settledBy(loss: LossTracker): NonNullable<SubscribeOptions['onSettled']> {
  return (beforeMs, isAlone) => {
    if (isAlone) loss.settle(beforeMs)
    else loss.share()
  }
}

/** Why the loss is unknown, and not 0: how often each reason was met. */
export function lossUnknown(loss: LossTracker, broker: Broker): Array<[reason: string, count: number]> {
  // What the numbers show is known.
  const unseen = Math.max(0, trimmed(broker) - loss.lostMessages - loss.lostMessagesAtMost)
  return [
    ['unnumbered', loss.unnumberedMessages],
    ['met_late', loss.runsMetLate],
    ['leapt', loss.runsLeapt],
    ['vanished', vanished(broker)],
    ['trimmed', unseen],
  ]
}

export function lossKnown(loss: LossTracker, broker: Broker): boolean {
  return lossUnknown(loss, broker).every(([, count]) => count === 0)
}

function vanished({ stats }: Broker): number {
  return stats.streamsVanished
}

function trimmed({ stats }: Broker): number {
  return stats.trimmedUnread + stats.trimmedUnacked
}
