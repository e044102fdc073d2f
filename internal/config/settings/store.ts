import { hasDuty } from '../role.ts'
import {
  choice,
  type DefaultContext,
  duration,
  integer,
  onOff,
  optionalText,
  secret,
  secretFile,
  size,
  text,
  url,
} from '../setting.ts'
import { clientTls, DAY, GIB, HOUR, KIB, MIB, MINUTE, SECOND } from './common.ts'

/** The same for the store and InfluxDB. */
const usesInflux = ({ role, given }: DefaultContext): boolean =>
  given('store.kind') === undefined
    ? !hasDuty(role, 'embed') || given('influx.url') !== undefined
    : given('store.kind') === 'influx'

export const store = {
  kind: choice(['influx', 'duckdb'], {
    default: (context) => (usesInflux(context) ? 'influx' : 'duckdb'),
    defaultText: 'influx; with up and no influx.url duckdb',
    duties: ['ingest', 'serve'],
    description: 'Where samples are kept; duckdb is a file that only one process can open (up only).',
  }),
}

export const influx = {
  url: url(['http', 'https'], {
    default: (context) => (usesInflux(context) ? 'http://127.0.0.1:8086' : undefined),
    defaultText: 'http://127.0.0.1:8086; with up none',
    duties: ['ingest', 'serve'],
    reloads: true,
    description: 'InfluxDB 1.x, 2.x or 3.x, or VictoriaMetrics. With up, a URL here replaces DuckDB.',
    alsoFrom: ['INFLUX_URL', 'INFLUXDB_URL'],
  }),
  browserUrl: url(['http', 'https'], {
    default: undefined,
    duties: ['ingest', 'serve'],
    description: 'The URL of InfluxDB for a browser, where it is another than influx.url: for links to dashboards.',
  }),
  urlFile: secretFile('url', {
    duties: ['ingest', 'serve'],
    reloads: true,
    description: 'A file that holds the URL, for a URL with a password.',
    alsoFrom: ['INFLUX_URL_FILE', 'INFLUXDB_URL_FILE'],
  }),
  token: secret({
    duties: ['ingest', 'serve'],
    reloads: true,
    description: 'The API token of InfluxDB 2.x and 3.x.',
    alsoFrom: ['INFLUX_TOKEN', 'INFLUXDB_TOKEN'],
  }),
  tokenFile: secretFile('token', {
    duties: ['ingest', 'serve'],
    reloads: true,
    description: 'A file that holds the token.',
    alsoFrom: ['INFLUX_TOKEN_FILE', 'INFLUXDB_TOKEN_FILE'],
  }),
  org: text({
    default: '',
    defaultText: 'none',
    duties: ['ingest', 'serve'],
    reloads: true,
    description: 'The organization of InfluxDB 2.x: its name or id.',
    alsoFrom: ['INFLUX_ORG', 'INFLUXDB_ORG'],
  }),
  orgFile: secretFile('org', {
    duties: ['ingest', 'serve'],
    reloads: true,
    description: 'A file that holds the name of the organization.',
    alsoFrom: ['INFLUX_ORG_FILE', 'INFLUXDB_ORG_FILE'],
  }),
  bucket: text({
    default: 'telemetry',
    duties: ['ingest', 'serve'],
    reloads: true,
    description: 'The bucket: its name or id; with InfluxDB 1.x the database, or database/policy.',
    alsoFrom: ['INFLUX_BUCKET', 'INFLUXDB_BUCKET'],
  }),
  bucketFile: secretFile('bucket', {
    duties: ['ingest', 'serve'],
    reloads: true,
    description: 'A file that holds the name of the bucket.',
    alsoFrom: ['INFLUX_BUCKET_FILE', 'INFLUXDB_BUCKET_FILE'],
  }),
  username: optionalText({
    duties: ['ingest', 'serve'],
    reloads: true,
    description: 'The user of InfluxDB 1.x.',
    alsoFrom: ['INFLUX_USERNAME', 'INFLUXDB_USERNAME'],
  }),
  password: secret({
    duties: ['ingest', 'serve'],
    reloads: true,
    description: 'The password of that user.',
    alsoFrom: ['INFLUX_PASSWORD', 'INFLUXDB_PASSWORD'],
  }),
  passwordFile: secretFile('password', {
    duties: ['ingest', 'serve'],
    reloads: true,
    description: 'A file that holds the password.',
    alsoFrom: ['INFLUX_PASSWORD_FILE', 'INFLUXDB_PASSWORD_FILE'],
  }),
  ...clientTls('InfluxDB', ['ingest', 'serve']),
  writePath: choice(['auto', 'v1', 'v2'], {
    default: 'auto',
    duties: ['ingest'],
    reloads: true,
    description: 'The path of writes: v1 is /write, v2 is /api/v2/write; auto asks the server.',
  }),
  gzip: onOff({
    default: false,
    duties: ['ingest'],
    reloads: true,
    description: 'Whether writes are compressed: less network, more CPU.',
  }),
  timeoutMs: duration(
    { min: 100, max: 10 * MINUTE },
    {
      default: 10 * SECOND,
      duties: ['ingest', 'serve'],
      reloads: true,
      description: 'How long InfluxDB may take to answer.',
    },
  ),
  maxSamples: integer(
    { min: 1, max: 100_000 },
    { default: 5000, duties: ['ingest'], reloads: true, description: 'The most samples of one write.' },
  ),
  maxBytes: size(
    { min: 64 * KIB, max: 64 * MIB },
    { default: MIB, duties: ['ingest'], reloads: true, description: 'The most bytes of one write.' },
  ),
  inFlight: integer(
    { min: 1, max: 16 },
    {
      default: 2,
      duties: ['ingest'],
      reloads: true,
      description: 'The most writes of new samples at the same time. Up to four more come from the spool.',
    },
  ),
}

export const duckdb = {
  path: text({
    default: './data/sentinel.duckdb',
    duties: ['embed'],
    description: 'The file of the embedded store.',
  }),
  retentionMs: duration(
    { min: HOUR, max: 3650 * DAY },
    { default: 7 * DAY, duties: ['embed'], description: 'How long the embedded store keeps samples.' },
  ),
  memoryLimitBytes: size(
    { min: 64 * MIB, max: 64 * GIB },
    { default: 256 * MIB, duties: ['embed'], description: 'The most memory that DuckDB uses.' },
  ),
}
