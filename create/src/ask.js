/** Asks on a terminal for options that are missing on the command line. */
import { templates } from './arguments.js'
import { problemOfDirectory } from './project-name.js'

const fallback = 'my-server'
const hints = {
  service: 'a standalone server',
  embed: 'a Fastify app that contains the endpoint',
  proxy: 'a server in front of other MCP servers'
}

/** Resolves to the directory and the template, or to `undefined` if the user cancelled. */
export async function ask ({ directory, template }) {
  // Imported only if needed, because most runs ask nothing.
  const { isCancel, select, text } = await import('@clack/prompts')
  const where = directory ?? await text({
    message: 'Which directory?',
    placeholder: fallback,
    defaultValue: fallback,
    validate: value => problemOfDirectory(value || fallback)
  })
  if (isCancel(where)) return undefined
  const which = template ?? await select({
    message: 'Which template?',
    options: templates.map(value => ({ value, label: value, hint: hints[value] }))
  })
  return isCancel(which) ? undefined : { directory: where, template: which }
}
