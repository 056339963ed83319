/** Matches URIs to resources and templates, in time that grows only with the length of the URI. */
import t from 'tap'
import { ResourceRegistry } from '../../../../src/mcp/catalog/resource-registry.js'
import { RightsGate } from '../../../../src/mcp/catalog/rights.js'
import type { Resource } from '../../../../src/tools/resource.js'

function variablesOf (uriTemplate: string, uri: string): Readonly<Record<string, string>> | undefined {
  const registry = new ResourceRegistry(new RightsGate())
  registry.put({ name: 'template', uriTemplate, read: () => '' })
  return registry.find(uri)?.variables
}

for (const [template, uri, variables] of [
  ['note://{team}/{id}', 'note://a/b', { team: 'a', id: 'b' }],
  ['note://{id}', 'note://a', { id: 'a' }],
  ['note://{id}/data', 'note://a/data', { id: 'a' }],
  ['note://{id}', 'NOTE://a', { id: 'a' }],
  ['note://{id}', 'note://%61%2Db', { id: 'a-b' }],
  ['note://{id}', 'note://A%20b%c3%a9', { id: 'A bé' }],
  ['note://{id}', 'note://%252e%252e', { id: '%2e%2e' }],
  ['note://team/my notes/{id}', 'note://team/my%20notes/1', { id: '1' }],
  ['note://team/my%20notes/{id}', 'note://team/my notes/1', { id: '1' }],
  ['note://ümlaut/{id}', 'note://%C3%BCmlaut/1', { id: '1' }],
  ['note://Team/{id}', 'note://tEAM/Id', { id: 'Id' }],
  ['https://Example.com:443/{id}', 'https://example.com/1', { id: '1' }],
  ['https://{host}', 'https://example.com/', { host: 'example.com' }],
  ['http://localhost:{port}/x', 'http://localhost:8080/x', { port: '8080' }],
  ['log://{y}-{m}-{d}', 'log://2026-01-31', { y: '2026', m: '01', d: '31' }],
  ['log://{y}-{m}', 'log://2026-01-31', { y: '2026-01', m: '31' }],
  ['log://{a}--{b}', 'log://-----', { a: '--', b: '-' }],
  ['x:{a}-{b}', 'x:---', { a: '-', b: '-' }],
  ['x:{a}ab{b}b', 'x:1ab2ab3b', { a: '1ab2', b: '3' }],
  ['x:{a}.{b}', 'x:1.2', { a: '1', b: '2' }]
] as const) {
  t.test(`${uri} matches ${template}`, async t => {
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
  ['note://{id}', 'note://%zz'],
  ['x:{a}-{b}', 'x:--'],
  ['x:{a}-{b}', 'x:-'],
  ['x:{a}-{b}', 'x:/-b'],
  ['x:{a}.{b}', 'x:1-2'],
  ['x:aba{x}ba', 'x:aba'],
  ['note://{team}/{id}', 'note://a/..'],
  ['note://{team}/{id}', 'note://a/.'],
  ['note://{team}/{id}', 'note://a/%2e%2e'],
  ['note://{team}/{id}', 'note://a/%2E'],
  ['note://{team}/{id}', 'note://../a'],
  ['note://{team}/{id}', 'note://a/b%2Fc'],
  ['note://{team}/{id}', 'note://team/..%2f..%2fadmin%2f1'],
  ['note://{team}/{id}', 'note://a/b%5Cc'],
  ['note://{team}/{id}', 'note://a/b\\\\c'],
  ['note://{team}/{id}', 'note://a/b%00'],
  ['note://{team}/{id}', 'note://a/b%0Ac'],
  ['note://{team}/{id}', 'note://a/b\\nc'],
  ['note://{team}/{id}', 'note://a/%C2%85'],
  ['note://{team}/{id}', 'note://a/%E2%80%A8'],
  ['note://{team}/{id}', 'note://a/%FF'],
  ['note://{team}/{id}', 'note://a/%'],
  ['note://{team}/{id}', 'note://a/%4'],
  ['note://{team}/{id}', 'note://a/b?c'],
  ['note://{team}/{id}', 'note://a/b#c'],
  ['note://{team}/{id}', 'note://a/{id}'],
  ['note://{team}/{id}', 'note://a/\\ud800'],
  ['note://{team}/{id}', 'note://a/b/../c'],
  ['note://{team}/{id}', 'note://%2e%2e/a']
] as const) {
  t.test(`${uri} does not match ${template}`, async t => {
    t.equal(variablesOf(template, uri), undefined)
  })
}

t.test('a run of separators is matched at once with many variables', async t => {
  for (const end of ['', '/', 'x']) variablesOf('log://{a}-{b}-{c}-{d}-{e}-{f}', `log://${'-'.repeat(2000)}${end}`)
  t.pass('the match ends at once')
})

for (const template of [
  'note://a',
  'note://{}',
  'note://{+path}',
  'note://{a}{b}',
  '{id}',
  'note://{a}/{a}',
  'note://a/../{id}',
  'note://{a}/}',
  '{scheme}://a',
  'note://{id}/\\\\'
]) {
  t.test(`the template ${template} stops the start`, async t => {
    t.throws(() => variablesOf(template, 'note://a'), TypeError)
  })
}

const fixed = (uri: string, name = uri): Resource => ({ name, uri, read: () => '' })
const template = (uriTemplate: string): Resource => ({ name: uriTemplate, uriTemplate, read: () => '' })

function registryOf (...resources: Resource[]): ResourceRegistry {
  const registry = new ResourceRegistry(new RightsGate())
  for (const resource of resources) registry.put(resource)
  return registry
}

for (const [what, resources, uri, name] of [
  [
    'a fixed resource before any template',
    [template('note://{team}/{id}'), fixed('note://admin/1')],
    'note://%61dmin/%31',
    'note://admin/1'
  ],
  [
    'a literal before a variable',
    [template('note://{team}/{id}'), template('note://admin/{id}')],
    'note://%61dmin/1',
    'note://admin/{id}'
  ],
  [
    'a literal in another case',
    [template('note://{team}/{id}'), template('note://admin/{id}')],
    'NOTE://Admin/1',
    'note://admin/{id}'
  ],
  [
    'more literal text before the first variable',
    [template('note://{a}/x/{b}'), template('note://y/{a}/{b}')],
    'note://y/x/1',
    'note://y/{a}/{b}'
  ],
  [
    'fewer variables',
    [template('note://{a}-{b}/x'), template('note://{a}/x')],
    'note://1-2/x',
    'note://{a}/x'
  ],
  ['more literal text', [template('note://{a}/{b}'), template('note://{a}/x{b}')], 'note://1/x2', 'note://{a}/x{b}']
] as const) {
  t.test(`the most specific resource is used: ${what}`, async t => {
    t.equal(registryOf(...resources).find(uri)?.item.name, name)
    t.equal(registryOf(...[...resources].reverse()).find(uri)?.item.name, name)
  })
}

for (const [uri, asked] of [
  ['https://example.com', 'https://example.com/'],
  ['https://0x7f.1/', 'https://127.0.0.1/'],
  ['https://Example.com/a b', 'https://example.com/a%20b'],
  ['conf://secret', 'conf://%73ecret'],
  ['urn:isbn:1', 'URN:isbn:1'],
  ['note://ünder/ß', 'note://%C3%BCnder/%C3%9F'],
  ['http://localhost:80/x', 'http://localhost/x']
] as const) {
  t.test(`a client that requests ${asked} reads ${uri}`, async t => {
    const registry = registryOf(fixed(uri))
    t.equal(registry.find(asked)?.uri, uri)
    t.equal(registry.find(uri)?.uri, uri)
    t.equal(registry.remove(asked)?.uri, uri)
    t.equal(registry.find(uri), undefined)
  })
}

for (const [what, uri] of [
  ['is not a URI', 'notes'],
  ['has a segment of two dots', 'note://a/../b'],
  ['has braces', 'note://a/{b}'],
  ['holds a backslash', 'note://a\\b'],
  ['has a broken percent-encoding', 'note://a/%zz'],
  ['is long', `note://${'x'.repeat(2048)}`]
] as const) {
  t.test(`a fixed resource whose URI ${what} stops the start`, async t => {
    t.throws(() => registryOf(fixed(uri)), TypeError)
  })
}

t.test('equivalent URIs and templates are duplicates', async t => {
  t.throws(() => registryOf(fixed('note://a/1'), fixed('note://%61/1', 'other')), /defined twice/)
  t.throws(
    () => registryOf(template('note://{a}/{b}'), template('note://{team}/{id}')),
    /defined twice: note:\/\/\{a\}/
  )
})
