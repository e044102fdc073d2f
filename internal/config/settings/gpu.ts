import { hasDuty } from '../role.ts'
import { choice, type DefaultContext, duration, integer, onOff, text, texts } from '../setting.ts'
import { HOUR, MINUTE, SECOND } from './common.ts'

/** Files of readings are played again and again by `up`, which shows them, unless it is told otherwise. */
const isLooped = ({ role, given }: DefaultContext): boolean =>
  (given('gpu.csvMode') ?? (hasDuty(role, 'embed') ? 'loop' : 'follow')) === 'loop'

export const gpu = {
  csv: texts({
    default: [],
    defaultText: 'none',
    duties: ['measure', 'embed'],
    shortFlag: '--gpu',
    description: 'Files with a reading of a GPU a row, folders of such files, and patterns with * and ?.',
    alsoFrom: ['CSV_PATH'],
  }),
  csvMode: choice(['follow', 'once', 'loop'], {
    default: (context) => (isLooped(context) ? 'loop' : 'follow'),
    defaultText: 'follow; with up loop',
    duties: ['measure'],
    description:
      'How files are read: follow to their end, as they grow, and after a restart on from there; once to their end; loop again and again.',
  }),
  csvTime: choice(['recorded', 'now'], {
    default: (context) => (isLooped(context) ? 'now' : 'recorded'),
    defaultText: 'recorded; with gpu.csvMode loop now',
    duties: ['measure'],
    description: 'The time that readings get: their own, or that of now.',
  }),
  csvPace: choice(['full', 'recorded'], {
    default: (context) => (isLooped(context) ? 'recorded' : 'full'),
    defaultText: 'full; with gpu.csvMode loop recorded',
    duties: ['measure'],
    description: 'Whether rows follow each other as fast as they are taken, or as they were recorded.',
  }),
  csvRowsPerSecond: integer(
    { min: 0, max: 10_000_000 },
    { default: 0, duties: ['measure'], description: 'The most rows a second; 0: as many as are taken.' },
  ),
  csvDelayMs: duration(
    { min: 0, max: MINUTE },
    {
      default: 0,
      duties: ['measure'],
      description: 'The same as a pause after each row: 10ms are 100 rows a second.',
      alsoFrom: ['CSV_DELAY_MS'],
    },
  ),
  nvidiaSmi: onOff({
    default: false,
    duties: ['measure'],
    description: 'Whether the GPUs of this host are measured with nvidia-smi.',
  }),
  nvidiaSmiPath: text({
    default: 'nvidia-smi',
    duties: ['measure'],
    description: 'The program: a path, or a name that is looked for.',
  }),
  nvidiaSmiIntervalMs: duration(
    { min: SECOND, max: HOUR },
    { default: 10 * SECOND, duties: ['measure'], description: 'How often it says a line a GPU, in whole seconds.' },
  ),
  tagLabels: texts({
    default: [],
    defaultText: 'none',
    duties: ['measure'],
    description: 'Labels of readings that become tags, beside those that name a GPU.',
  }),
}
