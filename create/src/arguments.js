/** Parses the command line. */
import { parseArgs } from 'node:util'
import { CreateError } from './create-error.js'

export const templates = ['service', 'embed', 'proxy']

export const usage = `npm create fastify-mcp-auth <directory> -- [options]

  --template service   create a standalone server (default)
  --template embed     create a Fastify app that contains the endpoint
  --template proxy     create a server in front of other MCP servers
  --yes                ask no questions
  --no-install         write the files, but do not run npm install
  --package FILE.tgz   install fastify-mcp-auth from this file
  --help               print this help`

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
  if (positionals.length > 1) throw new CreateError('Name only one directory.')
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
