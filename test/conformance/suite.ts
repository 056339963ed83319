/** Installs the conformance suite on first use, and runs it on a suitable Node. */
import { spawn } from 'node:child_process'
import * as fs from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const folder = fileURLToPath(new URL('suite', import.meta.url))
const installLimitMs = 5 * 60_000

export interface Suite {
  readonly version: string
  /** The path of a file in the suite's package. */
  readonly file: (path: string) => string
  /**
   * Runs the suite, whether its checks pass or not. Resolves to its output. `follow` gets the whole output so
   * far, after each part of it.
   */
  readonly run: (args: readonly string[], follow?: (text: string) => void) => Promise<string>
}

/** `signal` stops a running suite. `limitMs` limits each run. */
export async function openSuites (signal: AbortSignal, limitMs: number): Promise<Record<'stable' | 'next', Suite>> {
  if (!isInstalled()) await install(signal)
  const node = findNode()
  const open = (name: string): Suite => {
    const file = (path: string): string => join(folder, 'node_modules', name, path)
    return {
      version: versionIn(file('package.json')) ?? '',
      file,
      run: async (args, follow) => await output(node, [file('dist/index.js'), ...args], signal, limitMs, { follow })
    }
  }
  return { stable: open('conformance-stable'), next: open('conformance-next') }
}

/** Whether the installed packages match the lock file. */
function isInstalled (): boolean {
  const { packages } = JSON.parse(fs.readFileSync(join(folder, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { version?: string }>
  }
  return ['conformance-stable', 'conformance-next'].every(name => {
    const path = `node_modules/${name}`
    return packages[path]?.version === versionIn(join(folder, path, 'package.json'))
  })
}

function versionIn (path: string): string | undefined {
  return fs.existsSync(path) ? (JSON.parse(fs.readFileSync(path, 'utf8')) as { version: string }).version : undefined
}

async function install (signal: AbortSignal): Promise<void> {
  // Install scripts are not needed, because the packaged Node is a plain executable.
  await output(
    'npm',
    ['ci', '--prefix', folder, '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel', 'error'],
    signal,
    installLimitMs,
    { mustSucceed: true }
  )
}

/** Both release lines need `fs.globSync`, which was added in Node 22. */
function findNode (): string {
  if ('globSync' in fs) return process.execPath
  const own = join(folder, 'node_modules', `node-${process.platform}-${process.arch}`, 'bin', 'node')
  if (!fs.existsSync(own)) {
    throw new Error(
      `the suite needs Node 22 or later, and none is installed for ${process.platform} on ${process.arch}: ` +
        'run this with a later Node'
    )
  }
  return own
}

interface OutputOptions {
  readonly mustSucceed?: boolean
  readonly follow?: ((text: string) => void) | undefined
}

async function output (
  command: string,
  args: readonly string[],
  signal: AbortSignal,
  limitMs: number,
  { mustSucceed = false, follow = () => {} }: OutputOptions = {}
): Promise<string> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(limitMs)])
  const child = spawn(command, args, {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
    signal: limit,
    killSignal: 'SIGKILL'
  })
  let text = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', chunk => {
      text += chunk
      follow(text)
    })
  }
  return await new Promise((resolve, reject) => {
    child.once('error', error => {
      reject(limit.aborted ? new Error(`${command} was stopped: ${String(limit.reason)}`) : error)
    })
    child.once('close', code => {
      if (mustSucceed && code !== 0) reject(new Error(`${command} ${args[0] ?? ''} failed:\n${text}`))
      else resolve(text)
    })
  })
}
