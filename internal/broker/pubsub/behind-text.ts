import { ageText } from '../../text/duration.ts'
import { sizeText } from '../../text/size.ts'
import type { OutputLimit, Unread } from '../broker.ts'

/** What a subscriber says that reads less than comes. */
export function behindText({ ageMs, bytes }: Unread, { hardBytes }: OutputLimit, isHoldingBack: boolean): string {
  const limit = hardBytes === Infinity ? '' : ` of the ${sizeText(hardBytes)} at which it cuts a server off`
  const now = isHoldingBack
    ? 'it takes no more until it has read these, and agents keep theirs'
    : 'it takes messages again'
  return `messages are read ${ageText(ageMs)} after they were published, and ${sizeText(bytes)} wait in Redis${limit}: ${now}`
}
