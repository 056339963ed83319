/** Requests that are exempt from the limits or the authentication. */
import Fastify, { type InjectOptions } from 'fastify'
import t from 'tap'
import { isOAuthProbe, isPreflight, isPublic, isUncharged } from '../../../../src/http/request/route-config.js'

const questions = { isPublic, isUncharged, isPreflight, isOAuthProbe }
const preflight = { origin: 'https://a.example', 'access-control-request-method': 'POST' }

const requests: Array<[string, InjectOptions, string[]]> = [
  ['a closed route', { url: '/closed' }, []],
  ['a public route', { url: '/public' }, ['isPublic', 'isUncharged']],
  ['a route that costs nothing', { url: '/free' }, ['isUncharged']],
  ['a route with invalid settings', { url: '/odd' }, []],
  ['a preflight', { method: 'OPTIONS', url: '/closed', headers: preflight }, ['isPreflight']],
  [
    'a preflight on an unknown path',
    { method: 'OPTIONS', url: '/unknown', headers: preflight },
    ['isPreflight']
  ],
  [
    'a preflight without an origin',
    { method: 'OPTIONS', url: '/closed', headers: { 'access-control-request-method': 'POST' } },
    []
  ],
  [
    'a preflight that asks for nothing',
    { method: 'OPTIONS', url: '/closed', headers: { origin: 'https://a.example' } },
    []
  ],
  [
    'another method with the headers of a preflight',
    { method: 'POST', url: '/closed', headers: preflight },
    []
  ],
  ['an unknown path', { url: '/unknown' }, []],
  ['an unknown path below /.well-known/', { url: '/.well-known/openid-configuration' }, ['isOAuthProbe']],
  [
    'an unknown path below a /.well-known/ further down',
    { url: '/closed/.well-known/x?y' },
    ['isOAuthProbe']
  ],
  ['an unknown path where clients register', { method: 'POST', url: '/register' }, ['isOAuthProbe']],
  ['an unknown path where clients get tokens', { method: 'POST', url: '/token?x' }, ['isOAuthProbe']],
  ['an unknown path where people sign in', { url: '/authorize?client_id=x' }, ['isOAuthProbe']],
  ['an unknown path with such an ending', { url: '/unknown/register' }, []],
  ['an unknown path with such a beginning', { url: '/register/x' }, []],
  ['a closed route below /.well-known/', { url: '/.well-known/closed' }, []],
  ['a closed route with a parameter below /.well-known/', { url: '/.well-known/of/ada' }, []],
  ['a closed route with /.well-known/ in its query', { url: '/closed?/.well-known/x' }, []],
  ['an unknown path that only mentions .well-known', { url: '/unknown?/.well-known/x' }, []],
  ['an unknown path with .well-known escaped', { url: '/%2ewell-known/x' }, []]
]

for (const [what, request, exemptions] of requests) {
  t.test(
    `${what} is exempt ${exemptions.length === 0 ? 'from nothing' : `by ${exemptions.join(' and ')}`}`,
    async t => {
      const app = Fastify()
      t.teardown(() => app.close())
      let answers: string[] = []
      app.addHook('onRequest', async request => {
        answers = Object.entries(questions)
          .filter(([, ask]) => ask(request))
          .map(([name]) => name)
      })
      app.all('/closed', async () => ({}))
      app.get('/public', { config: { public: true } }, async () => ({}))
      app.get('/free', { config: { uncharged: true } }, async () => ({}))
      app.get('/odd', { config: { public: 'yes', uncharged: 1 } as object }, async () => ({}))
      app.get('/.well-known/closed', async () => ({}))
      app.get('/.well-known/of/:whom', async () => ({}))
      await app.inject(request)
      t.strictSame(answers, exemptions)
    }
  )
}
