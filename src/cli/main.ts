#!/usr/bin/env node
/** The entry point of the command line tool. Checks the Node version before it loads the rest. */
import { tooOld } from './node-version.js'

const complaint = tooOld(process.versions.node)
if (complaint !== undefined) {
  process.stderr.write(`${complaint}\n`)
  process.exitCode = 1
} else {
  const [{ run }, { processTerminal }] = await Promise.all([
    import('./program.js'),
    import('./terminal/process-terminal.js')
  ])
  const code = await run(process.argv.slice(2), processTerminal())
  // A failed write to stdout has already set the exit code.
  if (code !== 0) process.exitCode = code
}
