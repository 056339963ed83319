/** A real nginx before an app: started on a free port with a configuration of the test, and ended with it. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { until } from './until.js'

const hasNginx = spawnSync('nginx', ['-v']).error === undefined

/** Why tests with nginx are skipped here; `false` where they run. On CI they fail instead. */
export const withoutNginx: string | false = hasNginx || process.env.CI !== undefined ? false : 'nginx is not installed'

export interface NginxOptions {
  readonly port: number
  /** What stands in the `server` block. */
  readonly server: string
  /** After the port: `ssl` and the like. */
  readonly listen?: string
}

export async function nginx (t: Test, { port, server, listen = '' }: NginxOptions): Promise<void> {
  if (!hasNginx) throw new Error('nginx is not installed')
  const directory = mkdtempSync(join(tmpdir(), 'nginx-'))
  chmodSync(directory, 0o755)
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map(name => `${name}_temp_path ${directory}/${name};`)
    .join(' ')
  writeFileSync(join(directory, 'nginx.conf'), `
    daemon off; worker_processes 1; pid ${directory}/pid; error_log ${directory}/error.log;
    events { worker_connections 256; }
    http { access_log off; ${temporary} server { listen 127.0.0.1:${port} ${listen}; ${server} } }
  `)
  const child = spawn('nginx', ['-p', directory, '-c', join(directory, 'nginx.conf')], {
    stdio: ['ignore', 'ignore', 'pipe']
  })
  let said = ''
  child.stderr.on('data', chunk => { said += String(chunk) })
  const ended = once(child, 'exit')
  t.teardown(async () => {
    child.kill('SIGTERM')
    await ended
    rmSync(directory, { recursive: true, force: true })
  })
  await until(async () => {
    if (child.exitCode !== null) throw new Error(`nginx ended: ${said}`)
    return await answers(port)
  })
}

async function answers (port: number): Promise<boolean> {
  return await new Promise(resolve => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => { socket.destroy(); resolve(true) })
    socket.once('error', () => { resolve(false) })
  })
}
