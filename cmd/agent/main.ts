#!/usr/bin/env node
import { keepHeapSmall } from '../program/small-heap.ts'

keepHeapSmall()
const { main, roleCommand } = await import('../program/program.ts')
const { ROLES } = await import('../program/roles.ts')
await main(roleCommand(ROLES.agent))
