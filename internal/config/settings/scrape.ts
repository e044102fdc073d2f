import { duration, integer, onOff, scrapeTargets, secretFile, size, texts } from '../setting.ts'
import { GIB, HOUR, KIB, MIB, SECOND } from './common.ts'

export const scrape = {
  targets: scrapeTargets({
    default: [],
    defaultText: 'none',
    duties: ['measure'],
    reloads: true,
    description:
      "Addresses with metrics in Prometheus' text, as those of dcgm-exporter, UFM or node_exporter: db=http://10.0.0.7:9100/metrics.",
  }),
  targetsFile: secretFile('targets', {
    duties: ['measure'],
    reloads: true,
    description:
      'A file that holds them: one a line, or YAML with interval, host, credentials and TLS of each. It is read again when it has changed.',
  }),
  intervalMs: duration(
    { min: 100, max: HOUR },
    { default: 15 * SECOND, duties: ['measure'], reloads: true, description: 'How often each target is asked.' },
  ),
  timeoutMs: duration(
    { min: 100, max: HOUR },
    {
      default: ({ given }) => Math.min(10 * SECOND, Number(given('scrape.intervalMs') ?? Infinity)),
      defaultText: '10s, or scrape.intervalMs where that is shorter',
      duties: ['measure'],
      reloads: true,
      description: 'How long all of an answer may take.',
    },
  ),
  maxBodyBytes: size(
    { min: KIB, max: GIB },
    { default: 64 * MIB, duties: ['measure'], reloads: true, description: 'The most bytes of an answer, unpacked.' },
  ),
  maxSeries: integer(
    { min: 1, max: 5_000_000 },
    {
      default: 250_000,
      duties: ['measure'],
      description: 'The most series of a target; lines of further ones are left out and counted.',
    },
  ),
  tagLabels: texts({
    default: [],
    defaultText: 'none',
    duties: ['measure'],
    description: 'Labels of GPUs that become tags too, beside those that name the GPU.',
  }),
  gzip: onOff({
    default: true,
    duties: ['measure'],
    reloads: true,
    description: 'Whether targets are asked for gzip: less network, more CPU.',
  }),
}
