/** Asks on a terminal for what the command line did not say. */
import { templates } from './arguments.js'
import { problemOfName } from './project-name.js'

const hints = {
  service: 'a server of its own',
  embed: 'inside a Fastify app',
  proxy: 'in front of other MCP servers'
}

/** `undefined` where the person left. */
export async function ask ({ directory, template }) {
  // Not at the top: whoever is not asked does not need it.
  const { isCancel, select, text } = await import('@clack/prompts')
  const where = directory ?? await text({
    message: 'Which directory?',
    placeholder: 'my-server',
    defaultValue: 'my-server',
    validate: value => value ? problemOfName(value) : undefined
  })
  if (isCancel(where)) return undefined
  const which = template ?? await select({
    message: 'Which template?',
    options: templates.map(value => ({ value, label: value, hint: hints[value] }))
  })
  return isCancel(which) ? undefined : { directory: where, template: which }
}
