#!/usr/bin/env node
import { main } from '../program.ts'
import { agentCommand } from './command.ts'

await main(agentCommand())
