import { cases } from './collect.ts'
import { measure } from './measure.ts'

// The end of each bundle of the guard, behind a file of benchmarks. Without an argument it names those that it has; with a name it measures that one.

const ROUNDS = 100

const name = process.argv[2]
const chosen = cases.find((each) => each.name === name)
const answer =
  chosen === undefined ? cases.map(({ name, run }) => ({ name, unit: run.unit })) : await measure(chosen.run, ROUNDS)
process.stdout.write(JSON.stringify(answer), () => process.exit())
