/** Types that the compiler infers from schemas and templates. `tsc` checks this file. */
import t from 'tap'
import { z } from 'zod'
import { definePrompt } from '../../../src/tools/prompt.js'
import { defineResource } from '../../../src/tools/resource.js'
import { defineTool } from '../../../src/tools/tool.js'

t.test('defineResource types the URI', async t => {
  const fixed = defineResource({ name: 'a', uri: 'notes://a', read: uri => uri.toUpperCase() })
  t.equal(fixed.uri, 'notes://a')
})

t.test('defineResource types the variables of a template', async t => {
  const template = defineResource({
    name: 'a',
    uriTemplate: 'notes://{team}/{id}',
    read: (uri, _context, { team, id }) => `${uri} ${team.length} ${id.length}`,
    complete: { team: text => [text] }
  })
  t.equal(template.uriTemplate, 'notes://{team}/{id}')
  // @ts-expect-error: the template has no such variable
  defineResource({ name: 'a', uriTemplate: 'notes://{team}', read: (_uri, _context, { id }) => String(id) })
  // @ts-expect-error: it cannot be completed either
  defineResource({ name: 'a', uriTemplate: 'notes://{team}', read: () => '', complete: { id: () => [] } })
  const computed: string = 'notes://{team}'
  defineResource({ name: 'a', uriTemplate: computed, read: (_uri, _context, { team }) => String(team) })
})

t.test('a resource has either a URI or a template', async t => {
  // @ts-expect-error: it can't be both
  const both = defineResource({ name: 'a', uri: 'notes://a', uriTemplate: 'notes://{id}', read: () => '' })
  t.ok(both)
})

t.test('definePrompt completes only its own arguments', async t => {
  const prompt = definePrompt({
    name: 'a',
    input: z.object({ file: z.string() }),
    complete: { file: text => [text] },
    handler: ({ file }) => file
  })
  t.equal(prompt.name, 'a')
  // @ts-expect-error: there is no such argument
  definePrompt({ name: 'a', input: z.object({ file: z.string() }), complete: { fiel: () => [] }, handler: () => '' })
})

t.test('defineTool types the result by its output schema', async t => {
  const output = z.object({ n: z.number(), kind: z.enum(['a', 'b']).default('a') })
  const tool = defineTool({ name: 'a', output, handler: () => ({ structuredContent: { n: 1 } }) })
  t.equal(tool.name, 'a')
  defineTool({ name: 'a', output, handler: async () => ({ content: [{ type: 'text', text: 'no' }], isError: true }) })
  // @ts-expect-error: n is a number
  defineTool({ name: 'a', output, handler: () => ({ structuredContent: { n: '1' } }) })
  // @ts-expect-error: n is missing
  defineTool({ name: 'a', output, handler: async () => ({ structuredContent: { kind: 'b' } }) })
})
