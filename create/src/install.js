/** Installs what the project needs, with npm. */
import { spawn } from 'node:child_process'
import { CreateError } from './create-error.js'

/** Throws a `CreateError` where npm fails, or is not there. */
export async function install (directory, signal) {
  const args = ['install', '--no-audit', '--no-fund', '--loglevel=error']
  const stdio = ['ignore', 'ignore', 'pipe']
  const npm = spawn('npm', args, { cwd: directory, stdio, shell: process.platform === 'win32' })
  const stop = () => { npm.kill() }
  signal.addEventListener('abort', stop)
  let said = ''
  npm.stderr.setEncoding('utf8').on('data', text => { said = (said + text).slice(-10_000) })
  const code = await new Promise(resolve => {
    npm.on('error', () => resolve('none'))
    npm.on('close', resolve)
  })
  signal.removeEventListener('abort', stop)
  if (code === 0 || signal.aborted) return
  if (code === 'none') throw new CreateError('npm cannot be started; --no-install writes the files alone.')
  const advice = 'nothing was left behind. --no-install writes the files alone.'
  throw new CreateError(`npm install failed (${reasonIn(said)}); ${advice}`)
}

/** The first line of npm that says what is wrong, without its mark. */
function reasonIn (text) {
  const lines = text.split('\n').map(line => line.replace(/^npm (error|ERR!) ?/, '').trim())
  return lines.find(line => line !== '' && !/^(code|syscall|errno|path) /.test(line)) ?? 'it said nothing'
}
