import { choice, duration, hostNames, port, text } from '../setting.ts'
import { listenerTls, MINUTE, SECOND } from './common.ts'

export const log = {
  level: choice(['trace', 'debug', 'info', 'warn', 'error', 'fatal'], {
    default: 'info',
    reloads: true,
    description: 'The lowest level of the lines that are logged.',
    alsoFrom: ['LOG_LEVEL'],
  }),
  format: choice(['auto', 'text', 'json'], {
    default: 'auto',
    description: 'The form of log lines; auto is text at a terminal and JSON elsewhere.',
  }),
}

export const admin = {
  host: text({
    default: '127.0.0.1',
    description: 'The address that serves /health, /ready and /metrics.',
  }),
  port: port({
    default: ({ role }) => role.adminPort,
    description: 'The port of that address; 0 takes a free port.',
  }),
  hosts: hostNames({
    default: [],
    defaultText: 'none',
    reloads: true,
    description: 'The names in URLs of that address, beside localhost and IP addresses; other names are refused.',
  }),
  ...listenerTls(),
}

export const stop = {
  deadlineMs: duration(
    { min: SECOND, max: 10 * MINUTE },
    { default: 25 * SECOND, reloads: true, description: 'How long a graceful stop may take.' },
  ),
}
