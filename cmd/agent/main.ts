#!/usr/bin/env node
import { main } from '../program/program.ts'
import { agentCommand } from './command.ts'

await main(agentCommand())
