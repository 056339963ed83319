/** Tool pages in a real browser, in a host built with @modelcontextprotocol/ext-apps. */
import { join } from 'node:path'
import type { FrameLocator, Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { noteCall, refreshUsage, usageApp } from '../../examples/app.js'
import { generateToken } from '../../src/tokens/generate.js'
import { type App, defineApp } from '../../src/tools/app.js'
import { defineTool } from '../../src/tools/tool.js'
import { type AppHost, appHost, serve } from '../support/app-host.js'
import { launch, person, withoutBrowser } from '../support/browser.js'
import { listening, service } from '../support/service.js'
import { secret } from '../support/tokens.js'
import { credentialOfTests } from '../support/witness.js'

const shots = process.env.SCREENSHOTS === undefined ? undefined : join(import.meta.dirname, '../../docs/images')

interface Place {
  readonly page: Page
  readonly ada: { readonly endpoint: string, readonly authorization: string }
  readonly bob: { readonly endpoint: string, readonly authorization: string }
  readonly sandbox: string
}

async function place (t: Test, apps: readonly App[]): Promise<Place> {
  const host: AppHost = await appHost(t)
  const app = await service(t, { env: { CORS_ORIGINS: host.url }, apps, tools: [refreshUsage], afterCall: noteCall })
  const endpoint = `${await listening(app)}/mcp`
  const as = (user: string, scopes: string[]): Place['ada'] => {
    const token = credentialOfTests(generateToken(user, 'user', '1h', { secret, scopes }))
    return { endpoint, authorization: `Bearer ${token}` }
  }
  const page = await (await person(await launch(t), { viewport: { width: 640, height: 400 } })).newPage()
  await page.goto(host.url)
  return { page, ada: as('ada', ['usage:read']), bob: as('bob', []), sandbox: host.sandbox }
}

async function show ({ page, ada, sandbox }: Place, tool: string): Promise<FrameLocator> {
  await page.evaluate(`window.show(${JSON.stringify({ ...ada, sandbox, tool })})`)
  return page.frameLocator('iframe').frameLocator('iframe')
}

t.test('apps in a browser', { skip: withoutBrowser }, async t => {
  t.test('the page shows the caller its limit and calls, and can refresh them', async t => {
    const at = await place(t, [usageApp])
    const view = await show(at, 'my-usage')
    await view.getByText(/^\d+ of 100 requests left/).waitFor()
    const before = await view.locator('rect').count()
    const words = await view.locator('#words').textContent()
    for (let i = 0; i < 6; i += 1) {
      await view.getByRole('button', { name: 'Refresh' }).click()
      await view.locator(`rect:nth-of-type(${before + i + 1})`).waitFor({ state: 'attached' })
    }
    t.equal(await view.locator('rect').count(), before + 6)
    t.not(await view.locator('#words').textContent(), words)
    if (shots !== undefined) await at.page.screenshot({ path: join(shots, 'app.png') })
  })

  t.test('a caller without the right gets neither the tool nor the page', async t => {
    const { page, bob } = await place(t, [usageApp])
    const settings = JSON.stringify({ ...bob, tool: 'my-usage', uri: 'ui://apps/my-usage' })
    t.same(await page.evaluate(`window.look(${settings})`), {
      tools: ['whoami'], views: [], isCallRefused: true, isViewRefused: true
    })
  })

  for (const isDeclared of [false, true]) {
    const what = isDeclared ? 'if its origin is declared' : 'by default'
    t.test(`the page ${isDeclared ? 'runs' : 'blocks'} code of another origin ${what}`, async t => {
      const asked: string[] = []
      const other = await serve(t, (request, response) => {
        asked.push(request.url ?? '')
        response.setHeader('access-control-allow-origin', '*')
        response.setHeader('content-type', 'text/javascript')
        response.end("document.body.dataset.foreign = 'ran'")
      })
      const html = `<!doctype html><body><script src="${other}/script.js"></script><script>
        document.body.dataset.own = 'ran'
        fetch('${other}/fetch').then(() => 'ran', () => 'refused').then(word => { document.body.dataset.fetch = word })
        window.parent.postMessage({ jsonrpc: '2.0', id: 1, method: 'ui/initialize', params: {
          protocolVersion: '2026-01-26', appInfo: { name: 'a', version: '1' }, appCapabilities: {} } }, '*')
        window.addEventListener('message', ({ data }) => {
          if (data.id === 1) window.parent.postMessage({ jsonrpc: '2.0', method: 'ui/notifications/initialized', params: {} }, '*')
        })
      </script>`
      const csp = isDeclared ? { connectDomains: [other], resourceDomains: [other] } : {}
      const tool = defineTool({ name: 'foreign', handler: async () => 'ok' })
      const view = await show(await place(t, [defineApp({ name: 'foreign', tool, html, csp })]), 'foreign')
      await view.locator('body[data-fetch]').waitFor({ state: 'attached' })
      const marks = ['own', 'fetch', 'foreign'].map(name => view.locator('body').getAttribute(`data-${name}`))
      t.same(await Promise.all(marks), isDeclared ? ['ran', 'ran', 'ran'] : ['ran', 'refused', null])
      t.equal(asked.length > 0, isDeclared)
    })
  }
})
