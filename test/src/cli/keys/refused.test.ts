/** The errors and the help of the keys commands. */
import { readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { directory } from '../../../support/keys.js'
import { say } from '../../../support/terminal.js'
import { file, keys, withKey } from '../../../support/key-commands.js'

t.test('only keys create and rotate show a key, and none shows a digest', async t => {
  const { cwd, id, key } = await withKey(t)
  const [{ secrets: [{ digest }] }] = JSON.parse(await readFile(join(cwd, file), 'utf8')).keys
  for (const args of [
    ['list'],
    ['list', '--json'],
    ['show', id],
    ['show', id, '--json'],
    ['disable', id],
    ['enable', id, '--json'],
    ['revoke', id]
  ]) {
    const { code, stdout, stderr } = await keys(cwd, args)
    t.equal(code, 0, args.join(' '))
    t.notOk([stdout, stderr].some(text => text.includes(key) || text.includes(digest)))
  }
})

t.test('keys create --help begins with the required option', async t => {
  t.match(
    (await say(['keys', 'create', '--help'], '.')).stdout,
    /Options:\n +-n, --name <name> +its name \(required\)\n/
  )
})

t.test('keys rotate --help shows its default once', async t => {
  const { stdout } = await say(['keys', 'rotate', '--help'], '.')
  t.match(stdout, '(default: 24h)')
  t.notMatch(stdout, '86400')
})

const refused: Array<[string, string[], RegExp]> = [
  ['no name', ['create'], /--name/],
  ['an empty name', ['create', '--name', ''], /A name must be text/],
  [
    'a role that only looks like admin',
    ['create', '--name', 'a', '--role', 'Admin'],
    /must be admin, user or your own name/
  ],
  ['metadata without a value', ['create', '--name', 'a', '--meta', 'tenant'], /name=value/],
  ['metadata without a name', ['create', '--name', 'a', '--meta', '=acme'], /name=value/],
  ['metadata twice', ['create', '--name', 'a', '--meta', 'a=1', '--meta', 'a=2'], /Use each name only once/],
  ['an invalid lifetime', ['create', '--name', 'a', '--expires', 'soon'], /lifetime/],
  ['an invalid network', ['create', '--name', 'a', '--cidrs', '10.0.0.0/99'], /A network must be/],
  ['invalid networks', ['create', '--name', 'a', '--cidrs', ''], /--cidrs .*It is empty/],
  [
    'nothing between the commas of networks',
    ['create', '--name', 'a', '--cidrs', ' ,'],
    /--cidrs .*It is empty/
  ],
  ['no network for imported keys', ['import', '--cidrs', ''], /--cidrs .*It is empty/],
  ['empty scopes', ['create', '--name', 'a', '--scopes', ','], /--scopes .*It is empty/],
  ['a limit of zero', ['create', '--name', 'a', '--rate-limit', '0'], /whole number/],
  ['an unknown id', ['revoke', 'k00000000000'], /No key has that id/],
  ['no id', ['show'], /missing required argument/],
  ['an invalid grace period', ['rotate', 'k00000000000', '--grace', 'long'], /lifetime/],
  [
    'a negative grace period',
    ['rotate', 'k00000000000', '--grace', '-1'],
    /It must be 0, digits/
  ],
  ['an invalid address', ['verify', '--address', 'nonsense'], /It must be an address/],
  ['no address', ['verify', '--address', ''], /It must be an address/],
  ['no key in API_KEYS to import', ['import', '--configured'], /API_KEYS is not set/],
  ['no input to import', ['import'], /no keys to import/],
  ['no input to verify', ['verify'], /no key on standard input/],
  ['an unknown command', ['destroy'], /unknown command/]
]

for (const [what, args, sentence] of refused) {
  t.test(`${what} is reported on stderr, with exit code 1 and no change`, async t => {
    const { cwd } = await withKey(t)
    const before = await readFile(join(cwd, file), 'utf8')
    const { code, stdout, stderr } = await keys(cwd, args)
    t.equal(code, 1)
    t.equal(stdout, '')
    t.match(stderr, sentence)
    t.equal(await readFile(join(cwd, file), 'utf8'), before)
  })
}

t.test('a key with a space is refused as one key', async t => {
  const cwd = await directory(t)
  const { code, stderr } = await keys(cwd, ['import'], 'a-key-of-sixteen-or-more with-a-space-in-between')
  t.equal(code, 1)
  t.match(stderr, /^The key contains a character that is not allowed in a header/)
  t.same(await readdir(cwd), [])
})

for (const args of [
  ['list'],
  ['show', 'k00000000000'],
  ['verify'],
  ['rotate', 'k00000000000'],
  ['revoke', 'k00000000000']
]) {
  t.test(`${args[0]} without a file says how to create one`, async t => {
    const { code, stderr } = await keys(await directory(t), args, 'a-key')
    t.equal(code, 1)
    t.match(stderr, /does not exist; create it with: npx fastify-mcp-auth keys create --name/)
  })
}

t.test('--help of each keys command has an example', async t => {
  const cwd = await directory(t)
  t.match((await say(['keys', '--help'], cwd)).stdout, /create[\s\S]+\$ fastify-mcp-auth keys create --name laptop/)
  for (const command of ['create', 'list', 'show', 'rotate', 'revoke', 'disable', 'enable', 'import', 'verify']) {
    const { code, stdout } = await say(['keys', command, '--help'], cwd)
    t.equal(code, 0)
    t.match(stdout, new RegExp(`Usage: fastify-mcp-auth keys ${command} [\\s\\S]*--file[\\s\\S]*--json`))
  }
})
