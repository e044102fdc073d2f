import { readFile } from 'node:fs/promises'
import { Command, Option } from 'commander'
import { addSettingFlags, flagValues } from '../../internal/config/cli.ts'
import { loadSettings } from '../../internal/config/load.ts'
import { Redactor } from '../../internal/text/redactor.ts'
import { ROLES } from '../program/roles.ts'

const TIMEOUT_MS = 60_000
/** Of one request. Less than all may take, so that a server that hangs is named as such. */
const ANSWER_TIMEOUT_MS = 20_000

export function dashboardsCommand(): Command {
  return new Command('dashboards').description('Manages the dashboards of InfluxDB 2.x.').addCommand(applyCommand())
}

/** Creates the dashboards in InfluxDB, or updates those of an earlier run. */
function applyCommand(): Command {
  const command = new Command('apply')
    .description('Creates the dashboards in InfluxDB 2.x, or updates them.')
    .addOption(
      new Option('--template <path>', 'the template to apply').default(
        new URL('../../../deploy/influxdb/template.yml', import.meta.url).pathname,
        'deploy/influxdb/template.yml of this package',
      ),
    )
  addSettingFlags(command, ROLES.server, [
    'sentinel dashboards apply --influx-url http://127.0.0.1:8086 --influx-org sentinel --influx-token-file token.txt',
  ])
  return command.action(async ({ template }: { template: string }) => {
    // Here, so that no other command loads the client of InfluxDB and a parser of YAML: a fifth of its start.
    const [{ applyDashboards }, { influxServer }, { readClientTls }] = await Promise.all([
      import('../../internal/store/influx/dashboards.ts'),
      import('../parts/influx.ts'),
      import('../parts/tls.ts'),
    ])
    const { settings, secrets } = loadSettings(ROLES.server, flagValues(command, ROLES.server), process.env)
    const redactor = new Redactor(secrets)
    const { org, bucket } = settings.influx
    const server = influxServer(settings.influx, redactor, await readClientTls(settings, 'influx'))
    const { action, dashboards } = await applyDashboards({
      ...{ server: { ...server, answerTimeoutMs: ANSWER_TIMEOUT_MS }, org, bucket },
      templateText: await readFile(template, 'utf8'),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    }).catch((error: unknown) => {
      throw redactor.hideIn(error)
    })
    for (const { name, url: address } of dashboards) {
      process.stdout.write(`${action} ${name}: ${forBrowser(address, settings.influx.browserUrl)}\n`)
    }
  })
}

/** The address of a dashboard where a browser reaches InfluxDB. */
function forBrowser(address: string, browserUrl: string | undefined): string {
  return browserUrl === undefined
    ? address
    : `${browserUrl.replace(/\/$/, '')}${address.slice(address.indexOf('/orgs/'))}`
}
