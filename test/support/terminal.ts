/** Runs a command in this process, with `input` as its secret, and collects its output. */
import { chmodSync, existsSync } from 'node:fs'
import { join } from 'node:path'
import { run } from '../../src/cli/program.js'
import { witnessProcess } from './witness.js'

export interface Said { readonly code: number, readonly stdout: string, readonly stderr: string }

export async function say (
  args: readonly string[],
  directory: string,
  env: Record<string, string> = {},
  input = '',
  dotenvMode = 0o600
): Promise<Said> {
  const dotenv = join(directory, '.env')
  // The mode that `init` sets. The commands warn of a .env that others can read.
  if (existsSync(dotenv)) chmodSync(dotenv, dotenvMode)
  const stdout: string[] = []
  const stderr: string[] = []
  const code = await run(args, {
    env,
    directory,
    print: line => {
      stdout.push(line)
    },
    show: async line => {
      stdout.push(line)
      return true
    },
    complain: line => {
      stderr.push(line)
    },
    readSecret: async () => input
  })
  witnessProcess(stdout.join('\n'), stderr.join('\n'))
  return { code, stdout: stdout.join('\n'), stderr: stderr.join('\n') }
}
