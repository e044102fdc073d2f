import { isDeepStrictEqual } from 'node:util'
import { ConfigError } from './error.ts'
import { type LoadedSettings, nest } from './load.ts'
import type { Setting } from './setting.ts'
import { allSettings, type SettingKey, type Settings, settingsOf } from './settings.ts'

/** Takes over settings that have changed, before it returns; what it holds in its buffers it keeps. */
type Apply = (settings: Settings) => void

/** What came of a reload. */
export interface Reloaded {
  /** What is in effect now, by key: `1s → 250ms`. */
  readonly changed: Readonly<Record<string, string>>
  /** Keys of what is written otherwise than it is in effect, until the next start. */
  readonly atNextStart: readonly string[]
  readonly warnings: readonly string[]
  readonly secrets: readonly string[]
  /** What could not be taken over. */
  readonly failures: ReadonlyArray<{ readonly keys: readonly string[]; readonly error: unknown }>
}

/**
 * The settings that a process runs with. They are read once at its start, and again by `reload`: from the same flags and variables, and from
 * the files, whatever these say by then. A part takes over those for which it has called `onReload`; everything else waits for the next start.
 */
export class LiveSettings {
  readonly #load: () => LoadedSettings
  readonly #schema: ReadonlyArray<readonly [key: string, setting: Setting<unknown>]>
  readonly #listeners: Array<{ readonly keys: readonly SettingKey[]; readonly apply: Apply }> = []
  #cameFromFile: boolean
  #inEffect: Settings
  /** Set once every part has been opened: until then, what nobody listens to yet is read by whoever opens later. */
  allOpen = false

  constructor(first: LoadedSettings, load: () => LoadedSettings) {
    this.#load = load
    this.#schema = settingsOf(first.role)
    this.#cameFromFile = comesFromFile(first)
    this.#inEffect = first.settings
  }

  /** Those in effect. */
  get settings(): Settings {
    return this.#inEffect
  }

  /** `apply` is called when a reload has changed one of the keys; who looks up `settings` at each use needs none. */
  onReload(keys: readonly SettingKey[], apply: Apply = () => {}): void {
    this.#listeners.push({ keys, apply })
  }

  /**
   * Reads everything again, and swaps what can be swapped. All is well or nothing is taken over.
   *
   * @throws ConfigError with everything that is wrong; then all stays as it was
   */
  reload(): Reloaded {
    const loaded = this.#load()
    // A file cut short by a full disk, or a pipe that was read before: defaults for everything are not what anybody meant.
    if (this.#cameFromFile && !comesFromFile(loaded)) {
      throw new ConfigError(['the file of settings gives no setting any more: is it empty?'])
    }
    const values = new Map(allSettings().map(([key]) => [key, valueAt(this.#inEffect, key)]))
    const changed: Record<string, string> = {}
    const atNextStart: string[] = []
    for (const [key, setting] of this.#schema) {
      const [before, after] = [valueAt(this.#inEffect, key), valueAt(loaded.settings, key)]
      if (isDeepStrictEqual(before, after)) continue
      if (this.#canTakeOver(key, setting)) {
        values.set(key, after)
        changed[key] = `${show(setting, before)} → ${show(setting, after)}`
      } else atNextStart.push(key)
    }
    this.#inEffect = nest(values)
    this.#cameFromFile = comesFromFile(loaded)
    const failures = this.#tell(Object.keys(changed))
    return { changed, atNextStart, failures, warnings: loaded.warnings, secrets: loaded.secrets }
  }

  #canTakeOver(key: string, { reloads }: Setting<unknown>): boolean {
    return reloads && (!this.allOpen || this.#listeners.some(({ keys }) => covers(keys, key)))
  }

  #tell(changed: readonly string[]): Reloaded['failures'] {
    const failures: Array<Reloaded['failures'][number]> = []
    for (const { keys, apply } of this.#listeners) {
      const theirs = changed.filter((key) => covers(keys, key))
      if (theirs.length === 0) continue
      try {
        apply(this.#inEffect)
      } catch (error) {
        failures.push({ keys: theirs, error })
      }
    }
    return failures
  }
}

function covers(keys: readonly SettingKey[], key: string): boolean {
  return keys.some((listed) => listed === key || key.startsWith(`${listed}.`))
}

function comesFromFile({ origins }: LoadedSettings): boolean {
  return [...origins.values()].some(({ kind }) => kind === 'file')
}

function valueAt(settings: Settings, key: string): unknown {
  const [group, name] = key.split('.') as [keyof Settings, string]
  return (settings[group] as Readonly<Record<string, unknown>>)[name]
}

function show(setting: Setting<unknown>, value: unknown): string {
  if (value === undefined) return 'none'
  return setting.secret ? '[redacted]' : setting.format(value) || 'none'
}
