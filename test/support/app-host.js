/** A host for MCP Apps in a browser, with @modelcontextprotocol/ext-apps. app-host.ts bundles it. */
/* global document, window */
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { AppBridge, PostMessageTransport, getToolUiResourceUri } from '@modelcontextprotocol/ext-apps/app-bridge'

const info = { name: 'page-host', version: '1.0.0' }

async function connect ({ endpoint, authorization }) {
  const extensions = { 'io.modelcontextprotocol/ui': { mimeTypes: ['text/html;profile=mcp-app'] } }
  const client = new Client(info, { capabilities: { extensions } })
  const requestInit = { headers: { authorization } }
  await client.connect(new StreamableHTTPClientTransport(new URL(endpoint), { requestInit }))
  return client
}

/** Calls the tool and shows its page. */
async function show ({ sandbox, tool: name, ...server }) {
  const client = await connect(server)
  const { tools } = await client.listTools()
  const tool = tools.find(one => one.name === name)
  const { contents: [{ text: html, _meta: { ui: { csp } } }] } = await client.readResource({ uri: getToolUiResourceUri(tool) })

  const frame = document.createElement('iframe')
  frame.setAttribute('sandbox', 'allow-scripts allow-same-origin')
  frame.style = 'width: 100%; height: 300px; border: 0'
  const isReady = new Promise(resolve => {
    window.addEventListener('message', ({ source, data }) => {
      if (source === frame.contentWindow && data?.method === 'ui/notifications/sandbox-proxy-ready') resolve()
    })
  })
  frame.src = `${sandbox}/?csp=${encodeURIComponent(JSON.stringify(csp))}`
  document.body.append(frame)
  await isReady

  const bridge = new AppBridge(client, info, { serverTools: {}, openLinks: {} })
  const isInitialized = new Promise(resolve => { bridge.oninitialized = resolve })
  bridge.onsizechange = ({ height }) => { frame.style.height = `${height}px` }
  await bridge.connect(new PostMessageTransport(frame.contentWindow, frame.contentWindow))
  await bridge.sendSandboxResourceReady({ html, csp })
  await isInitialized
  await bridge.sendToolInput({ arguments: {} })
  await bridge.sendToolResult(await client.callTool({ name, arguments: {} }))
}

/** What a caller sees of the tools and pages, and what it gets who asks all the same. */
async function look ({ tool, uri, ...server }) {
  const client = await connect(server)
  const refused = async promise => await promise.then(() => false, () => true)
  return {
    tools: (await client.listTools()).tools.map(({ name }) => name),
    views: (await client.listResources()).resources.map(one => one.uri),
    isCallRefused: await refused(client.callTool({ name: tool, arguments: {} })),
    isViewRefused: await refused(client.readResource({ uri }))
  }
}

Object.assign(window, { show, look })
