#!/usr/bin/env node
import { main, roleCommand } from '../program/program.ts'
import { ROLES } from '../program/roles.ts'

await main(roleCommand(ROLES.queue))
