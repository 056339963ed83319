/** `defineApp` and its errors. */
import { join } from 'node:path'
import t from 'tap'
import { type AppDefinition, defineApp } from '../../../src/tools/app.js'
import { defineTool } from '../../../src/tools/tool.js'

const tool = defineTool({ name: 'usage', _meta: { own: 1, ui: { other: 2 } }, handler: async () => 'ok' })
const good: AppDefinition = { name: 'usage', tool, html: '<!doctype html><p>Hi' }

t.test('defineApp links the tool to its page, with a closed policy', async t => {
  const { tool: linked, view } = defineApp(good)
  t.same(linked._meta, {
    own: 1,
    ui: { other: 2, resourceUri: 'ui://apps/usage' },
    'ui/resourceUri': 'ui://apps/usage'
  })
  t.same(tool._meta, { own: 1, ui: { other: 2 } }, 'the original tool is unchanged')
  t.match(view, { uri: 'ui://apps/usage', mimeType: 'text/html;profile=mcp-app', size: 20 })
  t.same(view._meta, {
    ui: { csp: { connectDomains: [], resourceDomains: [] } },
    'openai/widgetCSP': { connect_domains: [], resource_domains: [] }
  })
})

t.test('the allowed origins are listed in the form of each host', async t => {
  const connectDomains = ['https://api.example.com', 'wss://*.example.com:8443']
  const csp = { connectDomains, frameDomains: ['http://localhost:1'] }
  const { view } = defineApp({ ...good, csp, permissions: ['camera'], domain: 'a.example.com', prefersBorder: true })
  t.same(view._meta, {
    ui: {
      csp: { resourceDomains: [], ...csp },
      permissions: { camera: {} },
      domain: 'a.example.com',
      prefersBorder: true
    },
    'openai/widgetCSP': { connect_domains: csp.connectDomains, resource_domains: [], frame_domains: csp.frameDomains }
  })
})

t.test('defineApp reads a page from a file once', async t => {
  const directory = t.testdir({ 'page.html': '<p>From a file' })
  const { html: _, ...rest } = good
  const { view } = defineApp({ ...rest, file: join(directory, 'page.html') })
  t.equal(view.size, 14)
  t.throws(() => defineApp({ ...rest, file: join(directory, 'none.html') }), /file cannot be read \(ENOENT\)/)
  t.throws(() => defineApp(rest), /requires either html or file/)
  t.throws(() => defineApp({ ...good, file: 'page.html' }), /requires either html or file/)
})

for (const origin of [
  '*', 'https://*', 'https://a.b; script-src *', "https://a.b 'unsafe-eval'", 'http://example.com', 'data:', 'blob:',
  'https://a.b/path', 'https://a.b?x', 'https://u:p@a.b', 'javascript:alert(1)', 'https://a.*.b', '', 'a.b', 'https://a.b\n'
]) {
  t.test(`${JSON.stringify(origin)} is refused in the csp of a page`, async t => {
    for (const directive of ['connectDomains', 'resourceDomains', 'frameDomains', 'baseUriDomains']) {
      t.throws(() => defineApp({ ...good, csp: { [directive]: [origin] } }), /must be an array of origins/, directive)
    }
  })
}

const bad: ReadonlyArray<readonly [what: string, fields: object, says: RegExp]> = [
  ['an unknown field', { htm: '' }, /htm is not an option/],
  ['a name with a slash', { name: 'a/b' }, /name must be 1 to 64/],
  ['no name', { name: undefined }, /name must be 1 to 64/],
  ['no tool', { tool: undefined }, /tool must be an object/],
  ['an empty page', { html: ' ' }, /html must be an HTML document/],
  ['an unknown permission', { permissions: ['usb'] }, /permissions can be camera/],
  ['an unknown directive', { csp: { scriptDomains: [] } }, /scriptDomains is not an option/],
  ['a domain of another type', { domain: 1 }, /domain must be a string/],
  ['a border of another type', { prefersBorder: 'yes' }, /prefersBorder must be true or false/]
]
for (const [what, fields, says] of bad) {
  t.test(`an app with ${what} is refused`, async t => {
    t.throws(() => defineApp({ ...good, ...fields }), says)
  })
}
