/** A real nginx in front of an app, on a free port. It ends with the test. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { until } from './until.js'

const hasNginx = spawnSync('nginx', ['-v']).error === undefined

/** The reason to skip tests with nginx, or `false`. In CI a missing nginx fails them. */
export const withoutNginx: string | false = hasNginx || process.env.CI !== undefined ? false : 'nginx is not installed'

export interface NginxOptions {
  readonly port: number
  /** The content of the `server` block. */
  readonly server: string
  /** Parameters of `listen` after the port, such as `ssl`. */
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
