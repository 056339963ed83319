/** Installs the dependencies of the project with npm. */
import { spawn } from 'node:child_process'
import { CreateError } from './create-error.js'

const isWindows = process.platform === 'win32'
/** How long npm may take to stop, in milliseconds. */
const graceMs = 5000

/**
 * Throws a `CreateError` if npm fails or does not exist. When the signal `stop` aborts, npm and its child processes
 * are asked to stop; when `force` aborts, or some seconds later, they are killed.
 */
export async function install (directory, { stop, force }) {
  const args = ['install', '--no-audit', '--no-fund', '--loglevel=error']
  const stdio = ['ignore', 'ignore', 'pipe']
  // A separate process group, so that the programs that npm starts can be stopped with it.
  const npm = spawn('npm', args, { cwd: directory, stdio, shell: isWindows, detached: !isWindows })
  let timer
  const ask = () => {
    kill(npm, 'SIGTERM')
    timer = setTimeout(end, graceMs)
  }
  const end = () => { kill(npm, 'SIGKILL') }
  stop.addEventListener('abort', ask)
  force.addEventListener('abort', end)
  let said = ''
  npm.stderr.setEncoding('utf8').on('data', text => { said = (said + text).slice(-10_000) })
  const code = await new Promise(resolve => {
    npm.on('error', () => resolve('none'))
    npm.on('close', resolve)
  })
  clearTimeout(timer)
  stop.removeEventListener('abort', ask)
  force.removeEventListener('abort', end)
  if (code === 0 || stop.aborted) return
  if (code === 'none') throw new CreateError('npm cannot be started; --no-install writes only the files.')
  const advice = 'nothing was left behind. --no-install writes only the files.'
  throw new CreateError(`npm install failed (${reasonIn(said)}); ${advice}`)
}

function kill (npm, signal) {
  if (npm.pid === undefined) return
  try {
    if (isWindows) npm.kill(signal)
    else process.kill(-npm.pid, signal)
  } catch {
    // It has ended already.
  }
}

/** The first line of npm's output that names the problem, without its prefix. */
function reasonIn (text) {
  const lines = text.split('\n').map(line => line.replace(/^npm (error|ERR!) ?/, '').trim())
  return lines.find(line => line !== '' && !/^(code|syscall|errno|path) /.test(line)) ?? 'it said nothing'
}
