/** A web host for MCP Apps. Its page and the sandbox for the apps' pages have different origins. */
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { build } from 'esbuild'
import type { Test } from 'tap'
import type { AppCsp } from '../../src/tools/app.js'

export interface AppHost {
  /** The URL of the host's page. */
  readonly url: string
  /** The URL of the sandbox, on another origin. */
  readonly sandbox: string
}

const relay = `<!doctype html><meta charset="utf-8"><style>html, body, iframe { margin: 0; border: 0; width: 100%; height: 100% }</style>
<body><script>
  const inner = document.createElement('iframe')
  inner.setAttribute('sandbox', 'allow-scripts')
  document.body.append(inner)
  window.addEventListener('message', ({ source, data }) => {
    if (source === inner.contentWindow) return window.parent.postMessage(data, '*')
    if (source !== window.parent) return
    if (data.method === 'ui/notifications/sandbox-resource-ready') inner.srcdoc = data.params.html
    else inner.contentWindow.postMessage(data, '*')
  })
  window.parent.postMessage({ jsonrpc: '2.0', method: 'ui/notifications/sandbox-proxy-ready', params: {} }, '*')
</script>`

/** Allows only declared origins (MCP Apps, UI Resource Format, Host Behavior). */
function policyOf ({ connectDomains = [], resourceDomains = [] }: AppCsp): string {
  const resources = resourceDomains.join(' ')
  return [
    "default-src 'none'",
    `script-src 'unsafe-inline' ${resources}`,
    `style-src 'unsafe-inline' ${resources}`,
    `img-src data: ${resources}`,
    `connect-src ${connectDomains.length === 0 ? "'none'" : connectDomains.join(' ')}`,
    "object-src 'none'"
  ].join('; ')
}

/** Starts a host. It is closed at the test's end. */
export async function appHost (t: Test): Promise<AppHost> {
  const { outputFiles: [bundle] } = await build({
    entryPoints: [join(import.meta.dirname, 'app-host.js')],
    bundle: true,
    write: false,
    format: 'iife',
    platform: 'browser'
  })
  const url = await serve(t, (request, response) => {
    const isScript = request.url === '/host.js'
    response.setHeader('content-type', isScript ? 'text/javascript' : 'text/html')
    response.end(isScript ? bundle?.text : '<!doctype html><title>Host</title><body><script src="/host.js"></script>')
  })
  const sandbox = await serve(t, (request, response) => {
    const { searchParams } = new URL(request.url ?? '/', 'http://localhost')
    response.setHeader('content-type', 'text/html')
    response.setHeader('content-security-policy', policyOf(JSON.parse(searchParams.get('csp') ?? '{}') as AppCsp))
    response.end(relay)
  })
  return { url, sandbox }
}

/** Starts a server and returns its origin. It is closed at the test's end. */
export async function serve (t: Test, listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await new Promise(resolve => server.once('listening', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}
