import { readFile, stat } from 'node:fs/promises'
import type { Broker } from '../../internal/broker/broker.ts'
import { lateAnswers } from '../../internal/config/conflicts.ts'
import { SCRAPE_TARGETS, type ScrapeTarget } from '../../internal/config/scrape-targets.ts'
import type { SettingKey } from '../../internal/config/settings.ts'
import type { Context } from '../program/context.ts'
import type { ScrapeSources } from './scrape.ts'
import type { SourceLetters } from './source-letters.ts'

/** How often the file of targets is looked at. */
const LOOK_MS = 5000

const KEYS: readonly SettingKey[] = [
  'scrape.targets',
  'scrape.targetsFile',
  'scrape.intervalMs',
  'scrape.timeoutMs',
  'scrape.maxBodyBytes',
  'scrape.gzip',
]

/**
 * Scrapes what the settings name: from now on, after each reload, and whenever the file of targets has changed. Nothing of it
 * is loaded before there is a target.
 */
export async function openScraping(
  context: Context,
  broker: Broker,
  letters: () => Promise<SourceLetters>,
  lookMs = LOOK_MS,
): Promise<void> {
  const { onReload, logger, releaser } = context
  let sources: ScrapeSources | undefined
  let work = Promise.resolve()
  const follow = (targets: readonly ScrapeTarget[]): Promise<void> => {
    work = work.then(async () => {
      if (sources === undefined && targets.length === 0) return
      sources ??= await (await import('./scrape.ts')).openScrapeSources(context, broker, await letters())
      sources.follow(targets)
    })
    return work
  }
  await follow(context.settings.scrape.targets)
  const log = (err: unknown): void => logger.error({ err }, 'targets cannot be scraped')
  onReload(KEYS, ({ scrape }) => void follow(scrape.targets).catch(log))

  let seen = await stateOf(context.settings.scrape.targetsFile)
  const look = async (): Promise<void> => {
    const path = context.settings.scrape.targetsFile
    const now = await stateOf(path)
    if (now === seen || path === undefined) return
    seen = now
    // While it is replaced there may be none for a moment. Nobody means to give up all targets that way.
    if (now === '') return
    const targets = await targetsIn(path, context)
    if (typeof targets === 'string')
      logger.error(`${path} (scrape.targetsFile) has changed and is not taken: ${targets}`)
    else await follow(targets)
  }
  let looking = Promise.resolve()
  const timer = setInterval(() => {
    looking = looking.then(look).catch(log)
  }, lookMs).unref()
  releaser.push('file of targets', () => {
    clearInterval(timer)
    return looking
  })
}

/** What changes with a file; '' where there is none. */
async function stateOf(path: string | undefined): Promise<string> {
  if (path === undefined) return ''
  return stat(path).then(
    ({ ino, size, mtimeMs }) => `${path} ${ino} ${size} ${mtimeMs}`,
    () => '',
  )
}

/** @returns what is wrong with it, and what to do, where something is */
async function targetsIn(path: string, { settings, redactor }: Context): Promise<readonly ScrapeTarget[] | string> {
  const text = (await readFile(path, 'utf8')).trim()
  if (text === '') return 'it is empty'
  const targets = SCRAPE_TARGETS.parse(text)
  if (targets === undefined) return redactor.hide(SCRAPE_TARGETS.explain(text))
  redactor.add(SCRAPE_TARGETS.secretsIn(targets))
  return lateAnswers({ ...settings.scrape, targets })[0] ?? targets
}
