#!/usr/bin/env node
import { becomeSmallAgent } from '../program/small-start.ts'

if (process.argv[2] === 'agent') becomeSmallAgent()
const { main } = await import('../program/program.ts')
const { sentinelCommand } = await import('./command.ts')
await main(sentinelCommand())
