/** Which URI is which resource: templates share out what they are given, in time that grows with its length alone. */
import t from 'tap'
import { ResourceRegistry } from '../../../../src/mcp/catalog/resource-registry.js'

function variablesOf (uriTemplate: string, uri: string): Readonly<Record<string, string>> | undefined {
  const registry = new ResourceRegistry()
  registry.put({ name: 'template', uriTemplate, read: () => '' })
  return registry.find(uri)?.variables
}

for (const [template, uri, variables] of [
  ['note://{team}/{id}', 'note://a/b', { team: 'a', id: 'b' }],
  ['note://{id}', 'note://a', { id: 'a' }],
  ['{id}', 'a', { id: 'a' }],
  ['note://{id}/data', 'note://a/data', { id: 'a' }],
  ['note://{id}', 'note://a%2Fb', { id: 'a/b' }],
  ['log://{y}-{m}-{d}', 'log://2026-01-31', { y: '2026', m: '01', d: '31' }],
  ['log://{y}-{m}', 'log://2026-01-31', { y: '2026-01', m: '31' }],
  ['log://{a}--{b}', 'log://-----', { a: '--', b: '-' }],
  ['x:{a}-{b}', 'x:---', { a: '-', b: '-' }],
  ['x:{a}ab{b}b', 'x:1ab2ab3b', { a: '1ab2', b: '3' }],
  ['x:{a}.{b}', 'x:1.2', { a: '1', b: '2' }]
] as const) {
  t.test(`${uri} fits ${template}`, async t => {
    t.same(variablesOf(template, uri), variables)
  })
}

for (const [template, uri] of [
  ['note://{team}/{id}', 'note://a'],
  ['note://{team}/{id}', 'note://a/b/c'],
  ['note://{team}/{id}', 'note:///b'],
  ['note://{team}/{id}', 'note://a/'],
  ['note://{id}', 'note://'],
  ['note://{id}/data', 'note://data'],
  ['note://{id}/data', 'note://a/data/'],
  ['note://{id}', 'Note://a'],
  ['note://{id}', 'note://%zz'],
  ['x:{a}-{b}', 'x:--'],
  ['x:{a}-{b}', 'x:-'],
  ['x:{a}-{b}', 'x:/-b'],
  ['x:{a}.{b}', 'x:1-2'],
  ['aba{x}ba', 'aba']
] as const) {
  t.test(`${uri} does not fit ${template}`, async t => {
    t.equal(variablesOf(template, uri), undefined)
  })
}

t.test('a run of separators is shared out at once, however many variables there are', async t => {
  for (const end of ['', '/', 'x']) variablesOf('log://{a}-{b}-{c}-{d}-{e}-{f}', `log://${'-'.repeat(2000)}${end}`)
  t.pass('and did not take minutes')
})

for (const template of ['note://a', 'note://{}', 'note://{+path}', 'note://{a}{b}']) {
  t.test(`the template ${template} stops the boot`, async t => {
    t.throws(() => variablesOf(template, 'note://a'), TypeError)
  })
}
