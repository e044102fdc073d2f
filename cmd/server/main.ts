#!/usr/bin/env node
import { main } from '../program/program.ts'
import { serverCommand } from './command.ts'

await main(serverCommand())
