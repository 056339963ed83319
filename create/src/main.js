/** The command: reads the options, creates the project, and prints the next steps. */
import { resolve } from 'node:path'
import { parseArguments, usage } from './arguments.js'
import { ask } from './ask.js'
import { CreateError } from './create-error.js'
import { makeProject, requireTarball } from './make-project.js'
import { requireDirectory } from './project-name.js'

/**
 * Resolves to the exit code: 0; 1 with one sentence on standard error; 130 if the user cancelled.
 *
 * @param {readonly string[]} args
 */
export async function main (args) {
  try {
    const given = parseArguments(args)
    if (given.help) {
      console.log(usage)
      return 0
    }
    // Checked before any question, so that no answers are lost to an earlier mistake.
    if (given.directory !== undefined) requireDirectory(given.directory)
    if (given.packageFile !== undefined) requireTarball(given.packageFile)
    const isAsking = process.stdin.isTTY === true && process.stdout.isTTY === true && !given.yes
    const answers = isAsking ? await ask(given) : { directory: given.directory, template: given.template ?? 'service' }
    if (answers === undefined) return 130
    if (answers.directory === undefined) {
      throw new CreateError('Name the directory: npm create fastify-mcp-auth my-server')
    }
    const directory = resolve(answers.directory)
    const name = requireDirectory(directory)
    const { key } = await makeProject({ ...given, directory, name, template: answers.template })
    console.log(next(answers.directory, key, given.install))
    return 0
  } catch (error) {
    if (!(error instanceof CreateError)) throw error
    console.error(error.message)
    return error.exitCode
  }
}

function next (directory, key, isInstalled) {
  const call = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'greet', arguments: { name: 'Ada' } } }
  return `
Done. Start the server:

  cd ${shown(directory)}${isInstalled ? '' : '\n  npm install'}
  npm start

and call it from another terminal, with the key from .env:

curl -s http://localhost:3000/mcp -H 'content-type: application/json' -H 'x-api-key: ${key}' -d '${JSON.stringify(call)}'`
}

function shown (path) {
  return /^[\w./@-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`
}
