import { duration, namedTargets, onOff, secretFile, size, targets } from '../setting.ts'
import { GIB, HOUR, KIB, MIB, MINUTE, SECOND } from './common.ts'

export const fabric = {
  targets: targets({
    default: [],
    defaultText: 'none',
    duties: ['measure'],
    description:
      'The switch fabric that is asked: addresses and files with a row of CSV a switch or port. Its name is default.',
  }),
  targetsFile: secretFile('targets', {
    duties: ['measure'],
    description: 'A file that holds them, one a line, for URLs with a password.',
  }),
  named: namedTargets({
    default: [],
    defaultText: 'none',
    duties: ['measure'],
    description:
      'The same for several fabrics: east=http://10.0.0.7:9001/counters. All targets with one name are one fabric.',
  }),
  namedFile: secretFile('named', {
    duties: ['measure'],
    description: 'A file that holds them, one a line, for URLs with a password.',
  }),
  intervalMs: duration(
    { min: 100, max: HOUR },
    { default: 10 * SECOND, duties: ['measure'], description: 'How often each target is asked.' },
  ),
  timeoutMs: duration(
    { min: 100, max: 10 * MINUTE },
    { default: 10 * SECOND, duties: ['measure'], description: 'How long all of an answer may take.' },
  ),
  maxBodyBytes: size(
    { min: KIB, max: GIB },
    { default: 256 * MIB, duties: ['measure'], description: 'The most bytes of an answer, unpacked.' },
  ),
  gzip: onOff({
    default: false,
    duties: ['measure'],
    description: 'Whether targets are asked for gzip: less network, more CPU.',
  }),
  generator: onOff({
    default: false,
    duties: ['embed'],
    shortFlag: '--fabric',
    description: 'Whether a generator runs in this process too, and is asked as the fabric made-up.',
  }),
}
