#!/usr/bin/env node
import { keepHeapSmall } from '../program/small-heap.ts'
import { becomeSmallAgent } from '../program/small-start.ts'

becomeSmallAgent()
keepHeapSmall()
const { main, roleCommand } = await import('../program/program.ts')
const { ROLES } = await import('../program/roles.ts')
await main(roleCommand(ROLES.agent))
