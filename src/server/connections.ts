/** Tracks the unfinished answers and idle connections of this process. */
import { subscribe } from 'node:diagnostics_channel'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** The message of `http.server.request.start` (Node.js, Diagnostics Channel). */
interface RequestStart {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly server: Server
}

/**
 * Tracks every HTTP server of the process from now on. Node's own `closeIdleConnections`, which its `close`
 * calls at once, is not safe: it cuts off answers that were written but not yet sent, and connections on
 * which a request is arriving.
 */
export class Connections {
  readonly #servers = new Set<Server>()
  /** Sockets, with the number of bytes received when they were last idle. */
  readonly #sockets = new Map<Socket, number>()
  readonly #underWay = new Set<ServerResponse>()
  #isHangingUp = false
  #closesIdle = false
  #whenNone: () => void = ignore

  constructor (server: Server) {
    this.#follow(server)
    subscribe('http.server.request.start', message => { this.#begin(message as RequestStart) })
  }

  /** The answers that are not completely sent. */
  get answers (): ReadonlySet<ServerResponse> {
    return this.#underWay
  }

  /** Closes each connection after its answer from now on. Idle connections are left to `closeIdle`. */
  hangUp (): void {
    this.#isHangingUp = true
    for (const server of this.#servers) server.closeIdleConnections = ignore
    for (const response of this.#underWay) lastOnItsConnection(response)
  }

  /** Closes idle connections, now and whenever another one becomes idle. */
  closeIdle (): void {
    this.#closesIdle = true
    const busy = new Set([...this.#underWay].map(({ req }) => req.socket))
    for (const [socket, received] of this.#sockets) {
      if (!busy.has(socket) && socket.bytesRead === received) socket.destroy()
    }
  }

  /** Resolves once every answer is completely sent, or its caller has disconnected. */
  async lastAnswer (): Promise<void> {
    if (this.#underWay.size > 0) await new Promise<void>(resolve => { this.#whenNone = resolve })
  }

  #follow (server: Server): void {
    if (this.#servers.has(server)) return
    this.#servers.add(server)
    if (this.#isHangingUp) server.closeIdleConnections = ignore
    server.on('connection', socket => { this.#keep(socket) })
  }

  #keep (socket: Socket): void {
    if (this.#sockets.has(socket)) return
    this.#sockets.set(socket, 0)
    socket.once('close', () => { this.#sockets.delete(socket) })
  }

  #begin ({ request: { socket }, response, server }: RequestStart): void {
    this.#follow(server)
    this.#keep(socket)
    this.#underWay.add(response)
    if (this.#isHangingUp) lastOnItsConnection(response)
    response.once('close', () => {
      this.#underWay.delete(response)
      if (this.#sockets.has(socket)) this.#sockets.set(socket, socket.bytesRead)
      // The connection is idle only after Node has finished with the answer.
      if (this.#closesIdle) setImmediate(() => { this.closeIdle() })
      if (this.#underWay.size === 0) this.#whenNone()
    })
  }
}

function lastOnItsConnection (response: ServerResponse): void {
  if (!response.headersSent) response.setHeader('connection', 'close')
}

function ignore (): void {}
