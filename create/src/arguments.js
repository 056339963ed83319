/** What the command line says. */
import { parseArgs } from 'node:util'
import { CreateError } from './create-error.js'

export const templates = ['service', 'embed', 'proxy']

export const usage = `npm create fastify-mcp-auth <directory> -- [options]

  --template service   a server of its own (default)
  --template embed     inside a Fastify app
  --template proxy     in front of other MCP servers
  --yes                ask nothing
  --no-install         write the files, and leave npm install to you
  --package FILE.tgz   take fastify-mcp-auth from this file
  --help               print this`

const options = {
  template: { type: 'string' },
  yes: { type: 'boolean', short: 'y', default: false },
  package: { type: 'string' },
  'no-install': { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false }
}

/** Throws a `CreateError`. */
export function parseArguments (args) {
  const { values, positionals } = parsed(args)
  const { template } = values
  if (positionals.length > 1) throw new CreateError('Name one directory.')
  if (template !== undefined && !templates.includes(template)) {
    throw new CreateError(`--template must be one of ${templates.join(', ')}.`)
  }
  return {
    directory: positionals[0],
    template,
    yes: values.yes,
    help: values.help,
    install: !values['no-install'],
    packageFile: values.package
  }
}

function parsed (args) {
  try {
    return parseArgs({ args, options, allowPositionals: true })
  } catch (error) {
    throw new CreateError(`${error.message.split('. ')[0]}; --help shows the options.`)
  }
}
