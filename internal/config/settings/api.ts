import { choice, duration, hostNames, integer, onOff, origins, port, text, url } from '../setting.ts'
import { DAY, listenerTls, SECOND } from './common.ts'

export const api = {
  host: text({
    default: '127.0.0.1',
    duties: ['serve'],
    description: 'The address that serves the API and the page.',
  }),
  port: port({ default: 8080, duties: ['serve'], description: 'The port of that address; 0 takes a free port.' }),
  ...listenerTls(['serve']),
  hosts: hostNames({
    default: [],
    defaultText: 'none',
    duties: ['serve'],
    reloads: true,
    description:
      'The names in URLs of the page and the API, beside localhost and IP addresses: dash.example.com. Other names are refused.',
  }),
  browserUrl: url(['http', 'https'], {
    default: undefined,
    defaultText: 'the address',
    duties: ['serve'],
    description:
      'The URL of the page for a browser, where a port is published or a proxy stands before it: for log lines.',
  }),
  staleAfterMs: duration(
    { min: SECOND, max: DAY },
    {
      default: 10 * SECOND,
      duties: ['serve'],
      reloads: true,
      description:
        'A series is stale when nothing of it has arrived for so long, or for three intervals of its source where that is longer; a host when all are.',
    },
  ),
  telemetryShape: choice(['array', 'object'], {
    default: 'array',
    duties: ['serve'],
    description:
      'What GET /telemetry/ListMetrics answers where the client asks for no shape: a list with an object for each switch, or one object.',
  }),
  requestsPerMinute: integer(
    { min: 1, max: 1_000_000_000 },
    {
      default: 600,
      duties: ['serve'],
      reloads: true,
      description: 'The most requests without a key of one client address in a minute; this machine has no limit.',
    },
  ),
  requestsPerMinutePerKey: integer(
    { min: 1, max: 1_000_000_000 },
    {
      default: 6_000,
      duties: ['serve'],
      reloads: true,
      description: 'The most requests with one key in a minute, from wherever they come.',
    },
  ),
  sharedLimits: onOff({
    default: false,
    duties: ['serve'],
    description:
      'Whether several APIs count these requests together, over Redis; while it is away each counts alone. Their user of Redis needs the right to ~rate:* then.',
  }),
  maxLiveClients: integer(
    { min: 1, max: 10_000 },
    { default: 200, duties: ['serve'], reloads: true, description: 'The most live streams at the same time.' },
  ),
  maxLiveClientsPerAddress: integer(
    { min: 1, max: 10_000 },
    {
      default: 50,
      duties: ['serve'],
      reloads: true,
      description: 'The most live streams of one client address (IPv6: of one /64); this machine has no limit.',
    },
  ),
  maxConnectionsPerAddress: integer(
    { min: 1, max: 10_000 },
    {
      default: 256,
      duties: ['serve'],
      reloads: true,
      description:
        'The most connections of one client address (IPv6: of one /64); this machine, and clients of a proxy with api.trustProxy, have no limit.',
    },
  ),
  liveQueueSeries: integer(
    { min: 100, max: 1_000_000 },
    {
      default: 20_000,
      duties: ['serve'],
      reloads: true,
      description: 'The most changed series that wait for a slow client; the oldest are left out.',
    },
  ),
  corsOrigins: origins({
    default: [],
    defaultText: 'none',
    duties: ['serve'],
    description: 'The origins whose pages may read the API.',
  }),
  trustProxy: onOff({
    default: false,
    duties: ['serve'],
    description:
      'Whether the address of a client comes from X-Forwarded-For, and the name in its URL from X-Forwarded-Host; only behind a proxy that sets both, and that nobody can go around.',
  }),
}
