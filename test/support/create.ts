/** Runs `npm create fastify-mcp-auth` from the sources. */
import { spawn, type ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const program = fileURLToPath(new URL('../../create/index.js', import.meta.url))

export interface Said { readonly code: number | null, readonly stdout: string, readonly stderr: string }

export interface Running {
  readonly child: ChildProcess
  readonly ended: Promise<Said>
}

/** Starts the program without a terminal, so it does not ask. */
export function begin (cwd: string, args: readonly string[], env: Record<string, string> = {}): Running {
  return follow(spawn(process.execPath, [program, ...args], { cwd, env: { ...process.env, ...env } }))
}

export async function create (cwd: string, args: readonly string[], env: Record<string, string> = {}): Promise<Said> {
  const { child, ended } = begin(cwd, args, env)
  child.stdin?.end()
  return await ended
}

/** Starts the program on a terminal, with `script` of util-linux. `seen` returns everything shown so far. */
export function onTerminal (cwd: string, args: readonly string[]): Running & { readonly seen: () => string } {
  const words = [process.execPath, program, ...args].map(word => `'${word}'`).join(' ')
  // Without a size, each character would be on a separate line.
  const command = `stty cols 100 rows 40; exec ${words}`
  const child = spawn('script', ['--quiet', '--return', '--command', command, '/dev/null'], {
    cwd,
    env: { ...process.env, TERM: 'xterm', CI: '' }
  })
  let text = ''
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => { text += chunk })
  return { ...follow(child), seen: () => text }
}

function follow (child: ChildProcess): Running {
  let [stdout, stderr] = ['', '']
  child.stdout?.setEncoding('utf8').on('data', (chunk: string) => { stdout += chunk })
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => { stderr += chunk })
  const ended = new Promise<Said>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', code => { resolve({ code, stdout, stderr }) })
  })
  return { child, ended }
}
