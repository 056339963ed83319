/** Asks on a terminal for what the command line did not say. */
import { templates } from './arguments.js'
import { problemOfDirectory } from './project-name.js'

const fallback = 'my-server'
const hints = {
  service: 'a server of its own',
  embed: 'inside a Fastify app',
  proxy: 'in front of other MCP servers'
}

/** Resolves to the directory and the template, or to `undefined` if the person left. */
export async function ask ({ directory, template }) {
  // Not at the top: without questions it is not needed.
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
