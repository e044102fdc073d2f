#!/usr/bin/env node
import { main } from '../program/program.ts'
import { benchCommand } from './command.ts'

await main(benchCommand())
