#!/usr/bin/env node
/** The command line tool. Loads nothing before it knows that this Node can run the rest. */
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
  // Output that could not be written has set it already.
  if (code !== 0) process.exitCode = code
}
