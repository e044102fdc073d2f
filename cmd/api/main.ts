#!/usr/bin/env node
import { main } from '../program/program.ts'
import { apiCommand } from './command.ts'

await main(apiCommand())
