import { Command } from 'commander'
import { versionText } from '../../internal/config/cli.ts'
import { readVersion } from '../program/version.ts'

export function versionCommand(): Command {
  return new Command('version').description('Shows the version.').action(() => {
    process.stdout.write(`${versionText('sentinel', readVersion())}\n`)
  })
}
