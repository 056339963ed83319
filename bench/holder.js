/** Opens and watches many streams on bare sockets, so that the client costs little. */
import { connect } from 'node:net'
import { requestOf } from './work.js'

const atOnce = 200

/**
 * Opens `count` streams, with the keys in turn. Rejects if an answer is not a stream. `heard` resolves once
 * every stream has received `text`.
 */
export async function hold ({ server, kind, keys, count }) {
  const streams = []
  for (let at = 0; at < count; at += atOnce) {
    const batch = Array.from(
      { length: Math.min(atOnce, count - at) },
      (_, offset) => openOne(server, kind, keys[(at + offset) % keys.length])
    )
    streams.push(...await Promise.all(batch))
  }
  return {
    alive: () => streams.filter(({ socket }) => !socket.destroyed && !socket.readableEnded).length,
    beaten: () => streams.filter(({ text }) => text.includes(': keep-alive')).length,
    async heard (text) {
      const limit = performance.now() + 30_000
      while (!streams.every(stream => stream.text.includes(text))) {
        if (performance.now() > limit) throw new Error(`only ${streams.filter(stream => stream.text.includes(text)).length} streams received ${text}`)
        await new Promise(resolve => setTimeout(resolve, 5))
      }
    },
    async release () {
      await Promise.all(streams.map(({ socket }) => new Promise(resolve => {
        socket.once('close', resolve)
        socket.destroy()
      })))
    }
  }
}

async function openOne (server, kind, key) {
  const credential = { 'x-api-key': key }
  if (kind === 'listen') {
    const params = { notifications: { toolsListChanged: true } }
    const request = requestOf({ era: '2026', method: 'subscriptions/listen', params, credential })
    return await openStream(server.port, 'POST', request)
  }
  const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'bench', version: '1.0.0' } }
  const request = requestOf({ era: '2025', method: 'initialize', params, credential })
  const response = await fetch(server.url, { method: 'POST', ...request })
  await response.text()
  const session = response.headers.get('mcp-session-id')
  if (session === null) throw new Error('no session was opened')
  const headers = { 'mcp-session-id': session, 'mcp-protocol-version': '2025-11-25', ...credential }
  return await openStream(server.port, 'GET', { headers: { accept: 'text/event-stream', ...headers }, body: '' })
}

function openStream (port, method, { headers, body }) {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port })
    const stream = { socket, text: '' }
    const all = { host: `127.0.0.1:${port}`, ...headers, 'content-length': Buffer.byteLength(body) }
    const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`)
    socket.setEncoding('latin1')
    socket.once('error', reject)
    socket.on('data', chunk => {
      stream.text += chunk
      const begun = stream.text.includes('\r\n\r\n') && (method === 'GET' || stream.text.includes('acknowledged'))
      if (!stream.text.startsWith('HTTP/1.1 200') && stream.text.length > 12) reject(new Error(`refused: ${stream.text.slice(0, 600)}`))
      else if (begun) resolve(stream)
    })
    socket.write(`${method} /mcp HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n${body}`)
  })
}
