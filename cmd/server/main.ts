#!/usr/bin/env node
import { main } from '../program.ts'
import { serverCommand } from './command.ts'

await main(serverCommand())
