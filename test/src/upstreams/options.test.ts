/** Options of upstreams: variables, contradictory members and names of Object.prototype. */
import t from 'tap'
import { redactorOf } from '../../../src/upstreams/log-text.js'
import { readUpstreams, type Upstream, type UpstreamOptions } from '../../../src/upstreams/options.js'

const environment = { TOKEN: 'secret-of-the-environment', HOST: 'docs.example.com', HOME: '/home/ada', EMPTY: '' }
/** Returns `${NAME}` as plain text. */
const mark = (name: string): string => `\${${name}}`

function read (one: UpstreamOptions): Upstream {
  const [upstream] = readUpstreams({ mcpServers: { one } }, environment)
  if (upstream === undefined) throw new Error('no upstream')
  return upstream
}

t.test('variables are replaced in every text sent to the upstream', async t => {
  const { command, args, env, cwd } = read({
    command: `${mark('HOME')}/bin/server`,
    args: ['--token', mark('TOKEN'), `${mark('HOST')}:${mark('TOKEN')}`],
    env: { A: mark('env:TOKEN'), B: mark('MISSING:-fallback'), C: mark('EMPTY:-') },
    cwd: mark('HOME')
  })
  t.equal(command, '/home/ada/bin/server')
  t.same(args, ['--token', environment.TOKEN, `${environment.HOST}:${environment.TOKEN}`])
  t.same(env, { A: environment.TOKEN, B: 'fallback', C: '' })
  t.equal(cwd, '/home/ada')
  const { url, headers } = read({ url: `https://${mark('HOST')}/mcp?key=${mark('TOKEN')}`, headers: { A: mark('TOKEN') } })
  t.equal(url, `https://docs.example.com/mcp?key=${environment.TOKEN}`)
  t.same(headers, { A: environment.TOKEN })
})

for (const name of ['MISSING', 'env:MISSING', 'EMPTY', 'constructor', '__proto__']) {
  t.test(`the unset variable ${name} stops the start and is named`, async t => {
    const message = `Upstream "one": the environment variable ${name.replace('env:', '')} is not set`
    t.throws(() => read({ command: 'x', args: [mark(name)] }), { name: 'UpstreamError', message: new RegExp(message) })
  })
}

t.test('values of variables and secrets in the options are redacted', async t => {
  const url = `--url=https://${mark('HOST')}?t=${mark('TOKEN')}`
  const filled = redactorOf(read({ command: 'x', args: [url], cwd: mark('HOME') }))
  const { TOKEN, HOME, HOST } = environment
  t.equal(filled(`${TOKEN} in ${HOME} at ${HOST}`), '[redacted] in /home/ada at [redacted]')
  const args = ['--api-key', 'key-123456', '--password=pass=word-1', '--port', '30000000']
  const written = redactorOf(read({ command: 'x', args }))
  t.equal(written('key-123456 pass=word-1 30000000'), '[redacted] [redacted] 30000000')
  const query = redactorOf(read({ url: 'https://example.com/mcp?key=in-the-query' }))
  t.equal(query('in-the-query'), '[redacted]')
})

for (const [what, one, says] of [
  ['eager with a process for each caller', { command: 'x', eager: true }, /`eager` needs `"share": "all"`/],
  ['the mark of the caller in a header', { url: 'https://a.example', headers: { A: mark('caller') } }, /`\$\{caller\}` works in `args`/],
  ['the mark of the caller in a URL', { url: `https://a.example/${mark('caller')}` }, /`\$\{caller\}` works in `args`/],
  ['a header with an invalid name', { url: 'https://a.example', headers: { 'a b': 'x' } }, /`headers\.a b`: must be/],
  ['a header with an invalid value', { url: 'https://a.example', headers: { A: 'x\ny' } }, /`headers\.A`: must be [^x]+$/],
  [
    'an identity header that is also a header',
    { url: 'https://a.example', share: 'caller', headers: { 'x-caller': 'ada' }, identityHeader: 'X-Caller' },
    /`identityHeader` must not be one of `headers`/
  ],
  ['a timeout beyond the longest timer', { command: 'x', startTimeoutMs: 2 ** 31 }, /`startTimeoutMs`/],
  ['an upstream that is a list', [] as UpstreamOptions, /"one": must be an object$/],
  ['the mark of the caller in a command', { command: mark('caller') }, /`\$\{caller\}` works in `args`/]
] as Array<[string, UpstreamOptions, RegExp]>) {
  t.test(`${what} is refused`, async t => {
    t.throws(() => read(one), { name: 'UpstreamError', message: says })
  })
}

t.test('an upstream may have a name of Object.prototype', async t => {
  const names = ['__proto__', 'constructor', 'toString']
  const text = `{"mcpServers":{${names.map(name => `"${name}":{"command":"x"}`).join()}}}`
  t.same(readUpstreams(JSON.parse(text)).map(({ name, prefix }) => [name, prefix]), names.map(name => [name, `${name}_`]))
})
