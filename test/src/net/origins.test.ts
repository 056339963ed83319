/** Hosts and origins: own, listed and foreign ones. */
import t from 'tap'
import { createEdge, isFromOtherSite, namesAnotherHost, parseHost, parseOrigin } from '../../../src/net/origins.js'

const origins: Array<[string, string, string | null]> = [
  ['https', 'https://app.example.com', 'https://app.example.com'],
  ['http', 'http://app.example.com', 'http://app.example.com'],
  ['a port', 'http://localhost:5173', 'http://localhost:5173'],
  ['the default port', 'https://app.example.com:443', 'https://app.example.com'],
  ['capitals', 'HTTPS://App.Example.COM', 'https://app.example.com'],
  ['IPv4', 'http://192.0.2.1:8080', 'http://192.0.2.1:8080'],
  ['IPv6', 'http://[::1]:3000', 'http://[::1]:3000'],
  ['long IPv6', 'http://[0:0:0:0:0:0:0:1]', 'http://[::1]'],
  ['an international name', 'https://bücher.example', 'https://xn--bcher-kva.example'],
  ['a star', '*', null],
  ['a star for a name', 'https://*', null],
  ['a star in a name', 'https://*.example.com', null],
  ['null', 'null', null],
  ['nothing', '', null],
  ['a space', ' ', null],
  ['a trailing slash', 'https://app.example.com/', null],
  ['a path', 'https://app.example.com/x', null],
  ['a query', 'https://app.example.com?x', null],
  ['an empty query', 'https://app.example.com?', null],
  ['a fragment', 'https://app.example.com#x', null],
  ['credentials', 'https://user:pass@app.example.com', null],
  ['an empty user', 'https://@app.example.com', null],
  ['a trailing dot', 'https://app.example.com.', null],
  ['a backslash', 'https:\\\\app.example.com', null],
  ['one slash', 'https:/app.example.com', null],
  ['three slashes', 'https:///app.example.com', null],
  ['no scheme', 'app.example.com', null],
  [
    'the scheme of a browser extension',
    'chrome-extension://abcdefghijklmnopabcdefghijklmnop',
    'chrome-extension://abcdefghijklmnopabcdefghijklmnop'
  ],
  [
    'the scheme of a Firefox extension',
    'moz-extension://3f0e5b0e-7c1a-4a43-9d3e-0123456789ab',
    'moz-extension://3f0e5b0e-7c1a-4a43-9d3e-0123456789ab'
  ],
  ['the scheme of a desktop app', 'tauri://localhost', 'tauri://localhost'],
  ['the scheme of a desktop app in capitals', 'App://Obsidian.md', 'app://obsidian.md'],
  ['the scheme of a desktop app and a port', 'app://localhost:3000', 'app://localhost:3000'],
  ['the scheme of a desktop app whose host is a hyphen', 'app://-', 'app://-'],
  ['the scheme of an app and a path', 'tauri://localhost/x', null],
  ['the scheme of an app and a star', 'chrome-extension://*', null],
  ['the scheme of an app and credentials', 'tauri://a@localhost', null],
  ['the scheme of an app and no host', 'tauri://', null],
  ['the scheme of an app and one slash', 'tauri:/localhost', null],
  ['a scheme that begins with a digit', '1app://localhost', null],
  ['a scheme with a line feed', 'a\npp://localhost', null],
  ['another special scheme', 'ftp://app.example.com', null],
  ['WebSocket', 'wss://app.example.com', null],
  ['file', 'file://', null],
  ['file and a host', 'file://localhost', null],
  ['javascript', 'javascript:alert(1)', null],
  ['data', 'data:text/html,x', null],
  ['a port too high', 'https://app.example.com:65536', null],
  ['a port that is not a number', 'https://app.example.com:x', null],
  ['two origins', 'https://a.example,https://b.example', null],
  ['a line feed', 'https://app.example.com\nx', null],
  ['a tab', 'https://app\t.example.com', null],
  ['a NUL', 'https://app.example.com\u0000', null],
  ['a percent escape', 'https://app%2eexample.com', null],
  ['emoji alone', '👾', null],
  ['a broken IPv6', 'http://[::1', null]
]
for (const [what, text, expected] of origins) {
  t.test(`parseOrigin reads an origin with ${what} as ${expected ?? 'null'}`, async t => {
    t.equal(parseOrigin(text), expected)
  })
}

const hosts: Array<[string, string, string | null]> = [
  ['a name', 'mcp.example.com', 'mcp.example.com'],
  ['a name and port', 'mcp.example.com:3000', 'mcp.example.com:3000'],
  ['the port 80', 'mcp.example.com:80', 'mcp.example.com:80'],
  ['capitals', 'MCP.Example.com', 'mcp.example.com'],
  ['a single label', 'mcp', 'mcp'],
  ['an underscore', 'mcp_server:3000', 'mcp_server:3000'],
  ['IPv4', '10.0.0.1', '10.0.0.1'],
  ['IPv6', '[2001:DB8::1]:3000', '[2001:db8::1]:3000'],
  ['an international name', 'bücher.example', 'xn--bcher-kva.example'],
  ['bare IPv6', '::1', null],
  ['a scheme', 'https://mcp.example.com', null],
  ['a path', 'mcp.example.com/', null],
  ['a star', '*', null],
  ['a star in a name', '*.example.com', null],
  ['credentials', 'user@mcp.example.com', null],
  ['a trailing dot', 'mcp.example.com.', null],
  ['an empty port', 'mcp.example.com:', null],
  ['a port too high', 'mcp.example.com:70000', null],
  ['nothing', '', null],
  ['a space inside', 'a b', null]
]
for (const [what, text, expected] of hosts) {
  t.test(`parseHost reads a host with ${what} as ${expected ?? 'null'}`, async t => {
    t.equal(parseHost(text), expected)
  })
}

const loopback = createEdge({})
const named = createEdge({
  loopback: false,
  allowedHosts: ['mcp.internal', 'other.internal:3000', '[2001:db8::1]'],
  publicUrl: 'https://mcp.example.com'
})
const odd = createEdge({ loopback: false, publicUrl: 'https://mcp.example.com:8443/base' })
const both = createEdge({ loopback: true, publicUrl: 'https://mcp.example.com' })
const open = createEdge({ loopback: false })

const served: Array<[string, ReturnType<typeof createEdge>, string | undefined, boolean]> = [
  ['localhost on loopback', loopback, 'localhost', true],
  ['localhost at any port', loopback, 'localhost:80', true],
  ['localhost in capitals', loopback, 'LOCALHOST:3000', true],
  ['127.0.0.1', loopback, '127.0.0.1:3000', true],
  ['[::1]', loopback, '[::1]:3000', true],
  ['a missing Host', loopback, undefined, false],
  ['an empty Host', loopback, '', false],
  ['a rebound name', loopback, 'evil.example:3000', false],
  ['a name that begins like ours', loopback, 'localhost.evil.example', false],
  ['a name that ends like ours', loopback, 'evil-localhost', false],
  ['localhost with a dot', loopback, 'localhost.', false],
  ['127.1', loopback, '127.1', false],
  ['a decimal address', loopback, '2130706433', false],
  ['a mapped address', loopback, '[::ffff:127.0.0.1]', false],
  ['long ::1', loopback, '[0:0:0:0:0:0:0:1]', false],
  ['all interfaces', loopback, '0.0.0.0:3000', false],
  ['credentials', loopback, 'evil@localhost', false],
  ['a comma', loopback, 'localhost,evil.example', false],
  ['a port that is not a number', loopback, 'localhost:x', false],
  ['a port too high', loopback, 'localhost:99999', false],
  ['a path', loopback, 'localhost/x', false],
  ['an allowed name', named, 'mcp.internal', true],
  ['an allowed name at any port', named, 'mcp.internal:8080', true],
  ['an allowed name and port', named, 'other.internal:3000', true],
  ['an allowed name at another port', named, 'other.internal:3001', false],
  ['an allowed name without its port', named, 'other.internal', false],
  ['an allowed address', named, '[2001:DB8::1]:1', true],
  ['the host of the public URL', named, 'mcp.example.com', true],
  ['the host of the public URL at its default port', named, 'mcp.example.com:443', true],
  ['the host of the public URL at another port', named, 'mcp.example.com:9999', false],
  ['localhost beyond loopback', named, 'localhost:3000', false],
  ['the host and port of the public URL', odd, 'mcp.example.com:8443', true],
  ['the host of the public URL without its port', odd, 'mcp.example.com', true],
  ['localhost beside a public URL on loopback', both, 'localhost:3000', true],
  ['any name without allowed hosts', open, 'evil.example', true],
  ['a missing Host without allowed hosts', open, undefined, true]
]
for (const [what, edge, host, expected] of served) {
  t.test(`${what} is ${expected ? 'served' : 'refused'}`, async t => {
    t.equal(edge.servesHost(host), expected)
    t.equal(edge.servesHost(host), expected, 'the same on the second call')
  })
}

const listing = createEdge({
  origins: ['https://app.example.com', 'http://localhost:5173', 'https://APP.example.com'],
  publicUrl: 'https://mcp.example.com/base'
})
const remote = createEdge({ loopback: false, origins: ['https://app.example.com'] })
const judged: Array<[string, ReturnType<typeof createEdge>, string | undefined, string, string]> = [
  ['that is missing', listing, undefined, 'localhost:3000', 'absent'],
  ['a listed one', listing, 'https://app.example.com', 'localhost:3000', 'listed'],
  ['a listed one with a port', listing, 'http://localhost:5173', 'localhost:3000', 'listed'],
  ['that of the public URL', listing, 'https://mcp.example.com', 'localhost:3000', 'own'],
  ['the public URL over http', listing, 'http://mcp.example.com', 'localhost:3000', 'foreign'],
  ['our own page', listing, 'http://localhost:3000', 'localhost:3000', 'own'],
  ['our own page by address', listing, 'http://127.0.0.1:3000', '127.0.0.1:3000', 'own'],
  ['our own page by IPv6', listing, 'http://[::1]:3000', '[::1]:3000', 'own'],
  ['our own page at port 80', listing, 'http://localhost', 'localhost:80', 'own'],
  ['our own page, Host in capitals', listing, 'http://localhost:3000', 'LocalHost:3000', 'own'],
  ['another port of this machine', listing, 'http://localhost:3001', 'localhost:3000', 'foreign'],
  ['another name of this machine', listing, 'http://127.0.0.1:3000', 'localhost:3000', 'foreign'],
  ['our own page over https', listing, 'https://localhost:3000', 'localhost:3000', 'foreign'],
  ['null', listing, 'null', 'localhost:3000', 'foreign'],
  ['an empty one', listing, '', 'localhost:3000', 'foreign'],
  ['a star', listing, '*', 'localhost:3000', 'foreign'],
  ['two listed ones', listing, 'https://app.example.com, http://localhost:5173', 'localhost:3000', 'foreign'],
  ['a listed one in capitals', listing, 'https://APP.example.com', 'localhost:3000', 'foreign'],
  ['a listed one with a slash', listing, 'https://app.example.com/', 'localhost:3000', 'foreign'],
  ['a listed one with its default port', listing, 'https://app.example.com:443', 'localhost:3000', 'foreign'],
  ['a listed one with a dot', listing, 'https://app.example.com.', 'localhost:3000', 'foreign'],
  ['a listed one over http', listing, 'http://app.example.com', 'localhost:3000', 'foreign'],
  [
    'a name that begins like a listed one',
    listing,
    'https://app.example.com.evil.example',
    'localhost:3000',
    'foreign'
  ],
  ['a name that ends like a listed one', listing, 'https://evilapp.example.com', 'localhost:3000', 'foreign'],
  [
    'a listed one behind credentials',
    listing,
    'https://app.example.com@evil.example',
    'localhost:3000',
    'foreign'
  ],
  ['a look-alike', listing, 'https://аpp.example.com', 'localhost:3000', 'foreign'],
  ['a prototype key', listing, '__proto__', 'localhost:3000', 'foreign'],
  ['its own Host beyond loopback', remote, 'http://evil.example', 'evil.example', 'foreign'],
  ['a listed one beyond loopback', remote, 'https://app.example.com', 'evil.example', 'listed']
]
for (const [what, edge, origin, host, expected] of judged) {
  t.test(`the origin ${what} is ${expected}`, async t => {
    t.equal(edge.judgeOrigin(origin, host), expected)
  })
}

const overTls: Array<[string, string, string, string]> = [
  ['our own page over https', 'https://localhost:3000', 'localhost:3000', 'own'],
  ['our own page at port 443', 'https://localhost', 'localhost:443', 'own'],
  ['our own page, both without the port', 'https://localhost', 'localhost', 'own'],
  ['a page of the same host over http', 'http://localhost:3000', 'localhost:3000', 'foreign'],
  ['a page at port 80 of the same host', 'https://localhost', 'localhost:80', 'foreign']
]
for (const [what, origin, host, expected] of overTls) {
  t.test(`over https the origin of ${what} is ${expected}`, async t => {
    t.equal(loopback.judgeOrigin(origin, host, 'https'), expected)
  })
}

const targets: Array<[string, string, string | undefined, boolean]> = [
  ['a path', '/mcp', 'localhost:3000', false],
  ['a path that begins with two slashes', '//evil.example/mcp', 'localhost:3000', false],
  ['a path that holds a URL', '/mcp?u=http://evil.example/', 'localhost:3000', false],
  ['the host itself', 'http://localhost:3000/mcp', 'localhost:3000', false],
  ['the host in capitals', 'HTTP://LOCALHOST:3000/mcp', 'localhost:3000', false],
  ['the host with the default port', 'http://localhost:80/mcp', 'localhost', false],
  ['the host over https with the default port', 'https://localhost/mcp', 'localhost:443', false],
  ['another host', 'http://evil.example/mcp', 'localhost:3000', true],
  ['another port', 'http://localhost:3001/mcp', 'localhost:3000', true],
  ['the host behind credentials', 'http://user@localhost:3000/mcp', 'localhost:3000', true],
  ['no host', 'http:///mcp', 'localhost:3000', true],
  ['another scheme', 'ftp://evil.example/mcp', 'localhost:3000', true],
  ['a host where Host is missing', 'http://localhost:3000/mcp', undefined, true]
]
for (const [what, target, host, expected] of targets) {
  t.test(`a target that is ${what} ${expected ? 'names another host' : 'does not name another host'}`, async t => {
    t.equal(namesAnotherHost(target, host), expected)
  })
}

const sites: Array<[string | undefined, boolean]> = [
  [undefined, false], ['none', false], ['same-origin', false], ['', false],
  ['cross-site', true], ['same-site', true], ['Cross-Site', true], ['same-origin, cross-site', true]
]
for (const [value, expected] of sites) {
  t.test(`Sec-Fetch-Site ${value ?? 'missing'} is ${expected ? 'another site' : 'not another site'}`, async t => {
    t.equal(isFromOtherSite(value), expected)
  })
}

t.test('createEdge removes duplicates from the list', async t => {
  t.strictSame(listing.origins, ['https://app.example.com', 'http://localhost:5173'])
})

const typos: Array<[string, Parameters<typeof createEdge>[0]]> = [
  ['an origin', { origins: ['*'] }],
  ['a host', { allowedHosts: ['https://x'] }],
  ['a public URL', { publicUrl: 'mcp.example.com' }],
  ['a public URL of another scheme', { publicUrl: 'ftp://mcp.example.com' }]
]
for (const [what, rules] of typos) {
  t.test(`${what} that is invalid stops the start and names the option`, async t => {
    t.throws(() => createEdge(rules), { name: 'TypeError', message: new RegExp(`^${Object.keys(rules)[0]}: `) })
  })
}
