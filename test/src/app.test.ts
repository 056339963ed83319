/** `buildApp` closes everything that it opened if it fails. */
import { readdirSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { buildApp } from '../../src/app.js'
import { defineTool } from '../../src/tools/tool.js'

const tool = defineTool({ name: 'twice', handler: () => 'x' })

/** Returns the open files of this process below `directory`. */
function openFiles (directory: string): string[] {
  return readdirSync('/proc/self/fd').flatMap(descriptor => {
    try {
      return readlinkSync(join('/proc/self/fd', descriptor))
    } catch {
      return []
    }
  }).filter(path => path.startsWith(directory))
}

t.test(
  'buildApp closes what it opened if it fails',
  { skip: process.platform === 'linux' ? false : 'reads /proc' },
  async t => {
    const stateDir = join(t.testdir({}), 'state')
    const options = { env: { API_KEYS: 'a-key-of-the-app-tests', LOG_LEVEL: 'silent' }, stateDir }
    const app = await buildApp({ ...options, tools: [tool] })
    t.not(openFiles(stateDir).length, 0)
    await app.close()
    await t.rejects(buildApp({ ...options, tools: [tool, tool] }), { message: /twice/ })
    t.same(openFiles(stateDir), [])
  }
)
