/** The sign-in in a real browser: forms, cookies and the keyboard. */
import { createServer, type Server } from 'node:http'
import { join } from 'node:path'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { type ConsentView, consentPage, keyPage } from '../../../src/pages/sign-in.js'
import { launch, person, withoutBrowser } from '../../support/browser.js'
import { addKey, keyFile } from '../../support/keys.js'
import { freePort } from '../../support/ports.js'
import { restartable } from '../../support/restartable.js'
import { authorizeUrl, pkce, register, signInService } from '../../support/sign-in.js'
import { wallClock } from '../../support/wall-clock.js'
import { witness } from '../../support/witness.js'

interface Place {
  readonly url: string
  readonly callback: string
  readonly key: string
  /** The queries that the callback received. */
  readonly answers: URLSearchParams[]
  readonly authorize: (fields?: Record<string, string>) => string
  /** Errors that the browser reported. */
  readonly complaints: string[]
  readonly watch: (page: Page) => Page
}

/** Starts the service and a client's callback server on real ports. */
async function place (
  t: Test,
  metadata: object = {},
  scopes: readonly string[] = ['files:read', 'files:write', 'notes:*']
): Promise<Place> {
  const answers: URLSearchParams[] = []
  const client: Server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://localhost')
    // Ignores requests for /favicon.ico.
    if (pathname === '/callback') answers.push(searchParams)
    response.setHeader('content-type', 'text/html')
    response.end('<title>Back</title>You are back.')
  })
  const { url: clientUrl } = await restartable(t, client)
  const callback = `${clientUrl}/callback`
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const path = await keyFile(t)
  const { key } = await addKey(path, { owner: 'ada', name: 'laptop', scopes, lifetimeSeconds: 86_400 * 200 })
  const app = await signInService(t, { env: { PUBLIC_URL: url, API_KEYS_FILE: path } })
  await app.listen({ port, host: '127.0.0.1' })
  const clientId = await register(app, { client_name: 'Claude', redirect_uris: [callback], ...metadata })
  const complaints: string[] = []
  return {
    url,
    callback,
    key,
    answers,
    complaints,
    authorize: (fields = {}) =>
      url +
      authorizeUrl(clientId, pkce().challenge, { redirect_uri: callback, resource: `${url}/mcp`, ...fields }),
    watch: page => {
      page.on('console', message => {
        if (message.type() === 'error' && !/status of 4\d\d/.test(message.text())) { complaints.push(message.text()) }
      })
      page.on('pageerror', error => {
        complaints.push(error.message)
      })
      return page
    }
  }
}

async function openPage (
  context: BrowserContext,
  { watch, authorize }: Place,
  fields?: Record<string, string>
): Promise<Page> {
  const page = watch(await context.newPage())
  await page.goto(authorize(fields))
  return page
}

const shots = process.env.SCREENSHOTS === undefined ? undefined : join(import.meta.dirname, '../../../docs/images')

/** The variants of the screenshots in the documentation: `[color scheme, width]`. */
const looks = { '': ['light', 760], '-dark': ['dark', 760], '-narrow': ['light', 360] } as const

const view: ConsentView = {
  place: 'mcp.example.com',
  action: '/oauth/authorize',
  handle: '',
  client: {
    name: 'Claude',
    identity: { kind: 'host', host: 'claude.ai' },
    target: { kind: 'site', name: 'claude.ai' },
    redirectUri: 'https://claude.ai/api/mcp/auth_callback',
    isLoopbackOnly: false
  },
  owner: 'ada',
  keyName: 'laptop (k3vd81qmx0aa)',
  isAdmin: false,
  scopes: ['files:read', 'notes:read'],
  missing: ['files:write'],
  tools: 12,
  endsAt: Date.UTC(2027, 5, 30, 12)
}

async function shoot (browser: Browser, name: string, html: string): Promise<void> {
  for (const [suffix, [colorScheme, width]] of Object.entries(looks)) {
    const page = await (await person(browser, { colorScheme, viewport: { width, height: 400 } })).newPage()
    await page.setContent(html)
    await page.screenshot({ path: join(shots ?? '', `${name}${suffix}.png`), fullPage: true })
  }
}

t.test('the sign-in in a browser', { skip: withoutBrowser }, async t => {
  const browser = await launch(t)

  t.test(
    'the pages match the screenshots in the documentation',
    { skip: shots === undefined && 'set SCREENSHOTS to take them' },
    async () => {
      await shoot(
        browser,
        'sign-in',
        keyPage({ ...view, scopes: ['files:read', 'files:write', 'notes:read'] })
      )
      await shoot(browser, 'consent', consentPage(view))
    }
  )

  t.test('pasting a key and approving redirects with a code', async t => {
    const here = await place(t)
    const page = await openPage(await person(browser), here, { scope: 'files:read files:write admin:all' })
    t.match(await page.title(), 'Connect Claude')
    await page.waitForSelector('#key:focus')
    await page.fill('#key', here.key)
    await page.click('button[value=continue]')
    await page.waitForSelector('button[value=approve]')
    witness('a page', await page.content())
    await page.click('button[value=approve]')
    await page.waitForURL(`${here.callback}**`)
    t.match(Object.fromEntries(here.answers[0] ?? []), { code: /^mcp_code_/, state: 'a state', iss: here.url })
    t.same(here.complaints, [])
  })

  t.test('the sign-in works with the keyboard alone', async t => {
    const here = await place(t)
    const page = await openPage(await person(browser), here)
    // `autofocus` takes effect after the page has loaded.
    await page.waitForSelector('#key:focus')
    await page.keyboard.type(here.key)
    await page.keyboard.press('Enter')
    await page.waitForSelector('button[value=approve]')
    await page.waitForLoadState()
    await page.keyboard.press('Tab')
    await page.waitForSelector('button[value=approve]:focus')
    await page.keyboard.press('Enter')
    await page.waitForURL(`${here.callback}**`)
    t.ok(here.answers[0]?.has('code'))
  })

  t.test('Deny returns access_denied, before and after entering a key', async t => {
    const here = await place(t)
    const context = await person(browser)
    const first = await openPage(context, here)
    await first.click('button[value=deny]')
    await first.waitForURL(`${here.callback}**`)
    const second = await openPage(context, here)
    await second.fill('#key', here.key)
    await second.keyboard.press('Enter')
    await second.click('button[value=deny]')
    await second.waitForURL(`${here.callback}**`)
    t.same(here.answers.map(answer => answer.get('error')), ['access_denied', 'access_denied'])
    t.same(here.complaints, [])
  })

  t.test('a wrong key shows an error, and the right key continues', async t => {
    const here = await place(t)
    const page = await openPage(await person(browser), here)
    await page.fill('#key', 'not a key')
    await page.keyboard.press('Enter')
    await page.waitForSelector('[role=alert]')
    t.equal(await page.inputValue('#key'), '')
    await page.fill('#key', here.key)
    await page.keyboard.press('Enter')
    await page.click('button[value=approve]')
    await page.waitForURL(`${here.callback}**`)
    t.ok(here.answers[0]?.has('code'))
  })

  t.test('an expired page shows a notice and approves nothing', async t => {
    const here = await place(t)
    const page = await openPage(await person(browser), here)
    await page.fill('#key', here.key)
    await page.keyboard.press('Enter')
    await page.waitForSelector('button[value=approve]')
    wallClock(t).advance(601)
    await page.click('button[value=approve]')
    await page.waitForSelector('text=This sign-in is over')
    t.equal(here.answers.length, 0)
  })

  t.test('going back after an approval does not approve again', async t => {
    const here = await place(t)
    const page = await openPage(await person(browser), here)
    await page.fill('#key', here.key)
    await page.keyboard.press('Enter')
    await page.click('button[value=approve]')
    await page.waitForURL(`${here.callback}**`)
    // Chromium does not cache our pages, and does not resubmit a form by itself.
    await page.goBack().catch(() => {})
    t.equal(await page.locator('button[value=approve]').count(), 0)
    await page.goBack().catch(() => {})
    t.equal(here.answers.length, 1)
  })

  t.test('two tabs of one browser are independent', async t => {
    const here = await place(t)
    const context = await person(browser)
    const [one, other] = [
      await openPage(context, here, { state: 'one' }),
      await openPage(context, here, { state: 'other' })
    ]
    for (const page of [one, other]) {
      await page.fill('#key', here.key)
      await page.keyboard.press('Enter')
      await page.waitForSelector('button[value=approve]')
    }
    for (const page of [one, other]) {
      await page.click('button[value=approve]')
      await page.waitForURL(`${here.callback}**`)
    }
    t.same(here.answers.map(answer => answer.get('state')), ['one', 'other'])
  })

  for (const [what, options] of [
    ['on a phone', { viewport: { width: 320, height: 640 } }],
    ['in the dark', { colorScheme: 'dark' as const }],
    ['without scripts', { javaScriptEnabled: false }]
  ] as const) {
    t.test(`${what} the pages fit and work`, async t => {
      const here = await place(t)
      const page = await openPage(await person(browser, options), here, { scope: 'files:read files:write' })
      if (!('javaScriptEnabled' in options)) {
        t.equal(
          await page.evaluate(() => {
            const { scrollWidth, clientWidth } = (
              globalThis as unknown as {
                document: { documentElement: { scrollWidth: number; clientWidth: number } }
              }
            ).document.documentElement
            return scrollWidth <= clientWidth
          }),
          true,
          'nothing overflows'
        )
      }
      await page.fill('#key', here.key)
      await page.keyboard.press('Enter')
      await page.waitForSelector('button[value=approve]')
      await page.click('button[value=approve]')
      await page.waitForURL(`${here.callback}**`)
      t.ok(here.answers[0]?.has('code'))
    })
  }

  t.test('other pages cannot frame the sign-in page', async t => {
    const here = await place(t)
    const page = await (await person(browser)).newPage()
    await page.setContent(`<iframe src="${here.authorize().replaceAll('&', '&amp;')}"></iframe>`)
    const frame = page.frames()[1]
    await frame?.waitForLoadState()
    t.notMatch(await frame?.content() ?? '', 'type="password"')
  })
})
