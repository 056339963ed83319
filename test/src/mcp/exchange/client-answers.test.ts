/** Answers of clients to sampling, elicitation and roots requests. */
import t from 'tap'
import { InvalidParamsError } from '../../../../src/errors.js'
import { type QuestionMethod, checkedAnswer } from '../../../../src/mcp/exchange/client-answers.js'

const form = {
  message: 'How many?',
  requestedSchema: {
    type: 'object',
    properties: {
      count: { type: 'integer', maximum: 3 },
      kind: { type: 'string', enum: ['a', 'b'], enumNames: ['A', 'B'] }
    },
    required: ['count']
  }
}
const said = { role: 'assistant', content: { type: 'text', text: 'Paris' }, model: 'm' }

for (const [what, method, answer] of [
  ['a form that was filled in', 'elicitation/create', { action: 'accept', content: { count: 3, kind: 'b' } }],
  ['a form that was declined', 'elicitation/create', { action: 'decline' }],
  ['a form that was closed, with a null for its content', 'elicitation/create', { action: 'cancel', content: null }],
  ['a model that spoke', 'sampling/createMessage', said],
  ['roots', 'roots/list', { roots: [{ uri: 'file:///home' }] }],
  ['no roots', 'roots/list', { roots: [] }]
] as ReadonlyArray<[string, QuestionMethod, Record<string, unknown>]>) {
  t.test(`${what} is passed on unchanged`, async t => {
    t.same(await checkedAnswer(method, form, answer), answer)
  })
}

for (const [what, method, answer] of [
  ['another action', 'elicitation/create', { action: 'obey', content: { count: 1 } }],
  ['a missing field', 'elicitation/create', { action: 'accept', content: {} }],
  ['no content at all', 'elicitation/create', { action: 'accept' }],
  ['a field beyond its bounds', 'elicitation/create', { action: 'accept', content: { count: 4 } }],
  ['a field of another type', 'elicitation/create', { action: 'accept', content: { count: '1' } }],
  [
    'an invalid choice',
    'elicitation/create',
    { action: 'accept', content: { count: 1, kind: 'c' } }
  ],
  [
    'an object in a flat form',
    'elicitation/create',
    { action: 'accept', content: { count: 1, more: { deep: true } } }
  ],
  ['a model without a name', 'sampling/createMessage', { ...said, model: undefined }],
  ['content that is a text alone', 'sampling/createMessage', { ...said, content: 'Paris' }],
  ['roots that are not a list', 'roots/list', { roots: 'file:///home' }],
  ['a root without a URI', 'roots/list', { roots: [{ name: 'home' }] }]
] as ReadonlyArray<[string, QuestionMethod, Record<string, unknown>]>) {
  t.test(`${what} is refused`, async t => {
    await t.rejects(checkedAnswer(method, form, answer), { code: InvalidParamsError.code })
  })
}

const called = {
  ...said,
  content: [
    { type: 'text', text: 'Let me look' },
    { type: 'tool_use', id: '1', name: 'look', input: {} }
  ],
  stopReason: 'toolUse'
}

t.test("a model's answer with tools may have several blocks", async t => {
  t.same(
    await checkedAnswer(
      'sampling/createMessage',
      { tools: [{ name: 'look', inputSchema: { type: 'object' } }] },
      called
    ),
    called
  )
  await t.rejects(checkedAnswer('sampling/createMessage', {}, called), { code: InvalidParamsError.code })
})

t.test('the answer to a URL request has no form content', async t => {
  t.same(
    await checkedAnswer(
      'elicitation/create',
      { mode: 'url', url: 'https://example.com' },
      { action: 'accept' }
    ),
    { action: 'accept' }
  )
})
