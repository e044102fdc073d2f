import { run } from '../support/programs.ts'
import type { Member } from './member.ts'
import type { Life, Obligations } from './obligations.ts'
import { IDS_A_LIFE, MEASUREMENT, payloadOf, workerOf } from './samples.ts'

export interface DeadLetters {
  /** The oracle's samples: id → whether the letter has the sample's full line and a reason. */
  readonly samples: ReadonlyMap<number, boolean>
  /** Unreadable messages, each with its reason. */
  readonly messages: ReadonlyMap<string, string>
  /** Lines of other measurements. */
  readonly others: readonly string[]
}

export interface ListedLetter {
  readonly kind: 'message' | 'line'
  readonly reason: string
  readonly detail: string
  readonly payload?: string
}

/** The servers' dead letters, as `sentinel dead-letters list` shows them. */
export async function deadLettersOf(
  servers: ReadonlyArray<{ readonly server: Member; readonly dataPath: string }>,
  obligations: Obligations,
): Promise<DeadLetters> {
  const samples = new Map<number, boolean>()
  const messages = new Map<string, string>()
  const others: string[] = []
  for (const { server, dataPath } of servers) {
    for (const { kind, reason, detail, payload = '' } of await listLetters(
      `--data-path=${dataPath}`,
      `--broker-consumer=${server.name}`,
    )) {
      if (kind === 'message') messages.set(payload, reason)
      const id = /^oracle,.* id=(\d+)i/.exec(payload)?.[1]
      if (kind !== 'line') continue
      if (id === undefined) {
        others.push(payload)
        continue
      }
      const life = obligations.lifeOf(Number(id))
      samples.set(
        Number(id),
        life !== undefined && reason !== '' && detail !== '' && isAsMade(payload, Number(id), life),
      )
    }
  }
  return { samples, messages, others }
}

/** The letters in a data folder. @param of whose */
export async function listLetters(...of: readonly string[]): Promise<ListedLetter[]> {
  const args = ['dead-letters', 'list', '--json', '--limit=0', ...of]
  const { code, stdout, stderr } = await run('sentinel', { args })
  if (code !== 0) throw new Error(`sentinel ${args.join(' ')} ended with ${code}: ${stderr}`)
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line): ListedLetter => JSON.parse(line))
}

/**
 * Whether a line has every value of a sample. The check does not use the product's own encoder, which would agree with
 * itself.
 */
function isAsMade(line: string, id: number, { source, baseUs, spacingUs }: Life): boolean {
  const { value, count, isOdd, text } = payloadOf(id)
  const fields = [...[`id=${id}i`, `value=${value}`, `count=${count}i`], `text="${text.replace(/[\\"]/g, '\\$&')}"`]
  const odd = new RegExp(`[ ,]isOdd=${isOdd ? '(t|T|true|True|TRUE)' : '(f|F|false|False|FALSE)'}[ ,]`)
  return (
    line.startsWith(`${MEASUREMENT},source=${source},worker=${workerOf(id)} `) &&
    fields.every((field) => line.includes(field)) &&
    odd.test(line) &&
    line.trimEnd().endsWith(` ${baseUs + (id % IDS_A_LIFE) * spacingUs}000`)
  )
}
