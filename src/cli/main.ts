#!/usr/bin/env node
/** The command line tool. Loads nothing before it knows that this Node can run the rest. */
import { tooOld } from './node-version.js'

const complaint = tooOld(process.versions.node)
if (complaint !== undefined) {
  process.stderr.write(`${complaint}\n`)
  process.exitCode = 1
} else {
  const { run } = await import('./program.js')
  process.exitCode = await run(process.argv.slice(2), {
    env: process.env,
    directory: process.cwd(),
    print: line => process.stdout.write(`${line}\n`),
    complain: line => process.stderr.write(`${line}\n`)
  })
}
