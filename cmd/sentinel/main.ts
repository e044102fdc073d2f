#!/usr/bin/env node
import { Command } from 'commander'
import { agentCommand } from '../agent/command.ts'
import { apiCommand } from '../api/command.ts'
import { benchCommand } from '../bench/command.ts'
import { main } from '../program/program.ts'
import { serverCommand } from '../server/command.ts'
import { dashboardsCommand } from './dashboards.ts'
import { deadLettersCommand } from './dead-letters/command.ts'
import { doctorCommand } from './doctor.ts'
import { tailCommand } from './tail.ts'
import { upCommand } from './up.ts'
import { validateCommand } from './validate.ts'
import { versionCommand } from './version.ts'

const sentinel = new Command('sentinel')
  .description('Real-time telemetry: measures hosts, carries, stores and shows what they say, and how late that is.')
  .commandsGroup('Run:')
  .addCommand(upCommand())
  .addCommand(agentCommand())
  .addCommand(serverCommand())
  .addCommand(apiCommand())
  .commandsGroup('Look and check:')
  .addCommand(validateCommand())
  .addCommand(doctorCommand())
  .addCommand(tailCommand())
  .addCommand(deadLettersCommand())
  .addCommand(benchCommand())
  .addCommand(versionCommand())
  .commandsGroup('Set up:')
  .addCommand(dashboardsCommand())
  .addHelpText(
    'after',
    `
Examples:
  sentinel up                          the whole pipeline on this machine, http://127.0.0.1:8080
  sentinel validate --config my.yaml   are these settings sound?
  sentinel doctor                      do the servers answer, and keep a sample?
  sentinel tail --measurement cpu      what comes through, as it comes
  sentinel dead-letters list           what was rejected, and why
  sentinel bench --rate 25000          how fast, how late, and is all of it there?`,
  )

await main(sentinel)
