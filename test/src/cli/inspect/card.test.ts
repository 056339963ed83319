/** The command `card`. */
import t from 'tap'
import { adaKey } from '../../../support/service.js'
import { secret } from '../../../support/tokens.js'
import { say } from '../../../support/terminal.js'

const env = { API_KEYS: adaKey, PUBLIC_URL: 'https://mcp.example.com', SERVER_NAME: 'com.example/notes' }

t.test('card prints three documents as one JSON, without credentials', async t => {
  const { code, stdout, stderr } = await say(['card'], t.testdir({}), { ...env, JWT_SECRET: secret })
  t.equal(code, 0)
  t.equal(stderr, '')
  const cards = JSON.parse(stdout)
  t.same(Object.keys(cards), ['server.json', 'server-card', 'ai-catalog'])
  t.match(cards['server.json'], { name: 'com.example/notes', remotes: [{ url: 'https://mcp.example.com/mcp' }] })
  t.notOk(stdout.includes(adaKey))
  t.notOk(stdout.includes(secret))
})

t.test('card --only prints one document', async t => {
  const { stdout } = await say(['card', '--only', 'server-card'], t.testdir({}), env)
  t.match(JSON.parse(stdout), { $schema: /server-card\.schema\.json$/, name: 'com.example/notes' })
})

t.test('card warns if the address or the name is a guess', async t => {
  const { code, stderr } = await say(['card'], t.testdir({}), { API_KEYS: adaKey })
  t.equal(code, 0)
  t.match(stderr, /PUBLIC_URL is not set/)
  t.match(stderr, /SERVER_NAME has no domain/)
})

t.test('card exits with 1 if the server would not start', async t => {
  const { code, stdout, stderr } = await say(['card'], t.testdir({}), { ...env, SERVER_NAME: 'a/b/c' })
  t.equal(code, 1)
  t.equal(stdout, '')
  t.match(stderr, /SERVER_NAME/)
})

t.test('card exits with 1 for an unknown document', async t => {
  t.equal((await say(['card', '--only', 'tools'], t.testdir({}), env)).code, 1)
})
