/** A TCP connection that sends raw bytes and keeps the answer. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'

export interface RawSocket {
  socket: Socket
  send: (text: string) => void
  text: () => string
  /** Resolves when the text matches. Rejects if the connection ends before. */
  until: (pattern: RegExp) => Promise<string>
  /** Resolves with all text when the server has closed the connection. */
  closed: () => Promise<string>
}

/** Listens on a free port of 127.0.0.1. */
export async function listen (app: FastifyInstance): Promise<number> {
  return Number(new URL(await app.listen({ port: 0, host: '127.0.0.1' })).port)
}

export async function openSocket (t: Test, port: number): Promise<RawSocket> {
  const socket = connect(port, '127.0.0.1')
  t.teardown(() => socket.destroy())
  let kept = ''
  const done = new Promise<void>(resolve => socket.once('close', () => resolve()))
  socket.setEncoding('utf8').on('data', chunk => { kept += String(chunk) }).on('error', () => {})
  await once(socket, 'connect')
  return {
    socket,
    send: text => { socket.write(text) },
    text: () => kept,
    until: async pattern => {
      while (!pattern.test(kept)) {
        const more = await Promise.race([once(socket, 'data').then(() => true), done.then(() => false)])
        if (!more && !pattern.test(kept)) throw new Error(`connection closed after ${JSON.stringify(kept)}`)
      }
      return kept
    },
    closed: async () => { await done; return kept }
  }
}

/**
 * Sends a POST with a JSON body and returns the whole answer. `inject` and `fetch` would normalize the path
 * and the headers. `headers` are lines such as `X-Api-Key: x`. Texts are Latin-1, one byte a character.
 */
export async function rawPost (port: number, path: string, headers: readonly string[], json: object): Promise<string> {
  const body = JSON.stringify(json)
  const lines = [
    `POST ${path} HTTP/1.1`,
    'Host: localhost',
    'Content-Type: application/json',
    `Content-Length: ${body.length}`,
    'Connection: close',
    ...headers
  ]
  return await new Promise((resolve, reject) => {
    let text = ''
    const socket = connect(port, '127.0.0.1')
    socket
      .setEncoding('latin1')
      .on('data', chunk => { text += String(chunk) })
      .on('end', () => { resolve(text) })
      .on('error', reject)
    socket.end(Buffer.from(`${lines.join('\r\n')}\r\n\r\n${body}`, 'latin1'))
  })
}

/** Status, headers and JSON body of a raw answer. */
export function readAnswer (text: string): {
  status: number
  headers: Record<string, string>
  body: Record<string, unknown>
} {
  const [head = '', body = ''] = text.split('\r\n\r\n')
  const [line = '', ...fields] = head.split('\r\n')
  return {
    status: Number(line.split(' ')[1]),
    headers: Object.fromEntries(
      fields.map(field => [
        field.slice(0, field.indexOf(':')).toLowerCase(),
        field.slice(field.indexOf(':') + 1).trim()
      ])
    ),
    body: JSON.parse(body)
  }
}
