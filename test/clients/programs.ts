/** Installs the clients, and runs them on a suitable Node. */
import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const folder = fileURLToPath(new URL('.', import.meta.url))
export const limitMs = 60_000
const names = ['mcp-remote', '@modelcontextprotocol/inspector', '@ai-sdk/mcp']

export function environment (home: string): Record<string, string> {
  return {
    PATH: process.env.PATH ?? '',
    HOME: home,
    MCP_REMOTE_CONFIG_DIR: join(home, 'mcp-remote'),
    MCP_CATALOG_PATH: join(home, 'mcp.json')
  }
}

/** Installs missing clients. Resolves to the path of a Node that can run them. */
export async function install (): Promise<string> {
  const { packages } = JSON.parse(readFileSync(join(folder, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { version: string }>
  }
  const isThere = names.every(name => versionOf(name) === packages[`node_modules/${name}`]?.version)
  // Install scripts are not needed, because the packaged Node is a plain executable.
  if (!isThere) {
    await output('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel', 'error'], {
      cwd: folder,
      limitMs: 5 * 60_000
    })
  }
  return findNode()
}

function versionOf (name: string): string | undefined {
  const path = fileOf(name, 'package.json')
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as { version: string }).version : undefined
}

export function fileOf (name: string, path: string): string {
  return join(folder, 'node_modules', name, path)
}

/** The Inspector and the AI SDK require Node 22.19 or later. */
function findNode (): string {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  if (major > 22 || (major === 22 && minor >= 19)) return process.execPath
  const own = fileOf(`node-${process.platform}-${process.arch}`, 'bin/node')
  if (!existsSync(own)) {
    throw new Error(
      `these clients need Node 22.19 or later, and none is installed for ${process.platform} on ` +
        `${process.arch}: run this with a later Node`
    )
  }
  return own
}

export async function output (
  command: string,
  args: readonly string[],
  options: { cwd?: string; env?: Record<string, string>; limitMs?: number }
): Promise<string> {
  const { limitMs: timeout = limitMs, ...rest } = options
  const child = spawn(command, args, {
    ...rest,
    timeout,
    killSignal: 'SIGKILL',
    stdio: ['ignore', 'pipe', 'pipe']
  })
  let [printed, complained] = ['', '']
  child.stdout.setEncoding('utf8').on('data', chunk => {
    printed += chunk
  })
  child.stderr.setEncoding('utf8').on('data', chunk => {
    complained += chunk
  })
  return await new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', code => {
      if (code === 0) resolve(printed)
      else reject(new Error(`${command} ended with ${code ?? 'a signal'}: ${complained.slice(-500)}`))
    })
  })
}
