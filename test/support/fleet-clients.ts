/** Clients of a fleet whose instances are killed, with checks of every answer. */
import { caller, type FleetProcess, nth } from './fleet-processes.js'
import { callOf, eventsOf, type Message } from './service.js'
import { ask as send, begin, type Headers, listen, openSessionAt, type Reading, settles } from './session.js'
import { until } from './until.js'

export interface Place extends FleetProcess {
  isKilled: boolean
}

export type User = 'ada' | 'eve'

export interface OpenSession {
  readonly user: User
  readonly headers: Headers
  isDeleted: boolean
  /** The number of calls so far. All sessions use the same request ids, so that a mix-up is noticed. */
  calls: number
}

export interface Call {
  readonly id: number
  readonly session: OpenSession
  readonly tool: 'count' | 'ask' | 'wait'
  /** The instance that runs it. */
  readonly home: Place
  /** `name` and `from` are unique. */
  readonly name: string
  readonly from: number
  readonly to: number
  /** The connection that is open now. */
  reading: Reading | undefined
  cut: AbortController
  /** The messages of earlier connections. */
  received: Parsed[]
  /** The id of the last event, or `''`. */
  lastId: string
  isCancelled: boolean
  isAnswered: boolean
  /** The status of a refused request for this call. */
  refused: number | undefined
  /** Another operation is using its connection. */
  isBusy: boolean
}

/** Untyped JSON. Each test asserts what it reads. */
type Parsed = ReturnType<typeof eventsOf>[number]

/** Resolves to `undefined` if `place` was killed meanwhile. Any other failure is an error. */
async function unlessKilled<T> (place: Place, request: Promise<T>): Promise<T | undefined> {
  try {
    return await request
  } catch (error) {
    if (place.isKilled) return undefined
    throw error
  }
}

/** Returns the complete events received so far. */
function completeIn (reading: Reading | undefined): { messages: Parsed[], lastId: string } {
  const text = reading?.text() ?? ''
  const whole = text.slice(0, text.lastIndexOf('\n\n') + 2)
  return { messages: eventsOf(whole), lastId: [...whole.matchAll(/^id: (\S+)$/gm)].at(-1)?.[1] ?? '' }
}

function lastIdOf ({ reading, lastId }: Call): string {
  const last = completeIn(reading).lastId
  return last === '' ? lastId : last
}

export function messagesOf ({ received, reading }: Call): Parsed[] {
  return [...received, ...completeIn(reading).messages]
}

function answerOf (call: Call): Parsed | undefined {
  return messagesOf(call).find(({ method }) => method === undefined)
}

export function isOver (call: Call): boolean {
  return call.refused !== undefined || answerOf(call) !== undefined
}

export function questionOf (call: Call): Parsed | undefined {
  return messagesOf(call).find(({ method }) => method === 'elicitation/create')
}

let names = 0

export class FleetClients {
  readonly sessions: OpenSession[] = []
  readonly calls: Call[] = []
  readonly #places: readonly Place[]
  readonly #hasPaused: () => boolean

  /** `hasPaused`: see `pauses`. */
  constructor (places: readonly Place[], hasPaused: () => boolean) {
    this.#places = places
    this.#hasPaused = hasPaused
  }

  /** Returns the instance at this index, or the next one that was not killed. */
  at (n: number): Place {
    for (let i = 0; i < this.#places.length; i++) {
      const place = nth(this.#places, n + i)
      if (!place.isKilled) return place
    }
    throw new Error('all instances were killed')
  }

  async open (user: User, n: number): Promise<OpenSession> {
    const options = { credential: caller(user), capabilities: { elicitation: {} } }
    const headers = await this.#anywhere(n, async ({ at }) => await openSessionAt(at, options))
    const session = { user, headers, isDeleted: false, calls: 0 }
    this.sessions.push(session)
    return session
  }

  /** Starts a call. Resolves when its stream starts. */
  async call (session: OpenSession, tool: Call['tool'], n: number, length = 1, leave?: number): Promise<Call> {
    names += 1
    session.calls += 1
    const from = names * 1000
    const call: Call = {
      id: session.calls,
      session,
      tool,
      home: this.at(n),
      name: `${session.user}-${names}`,
      from,
      to: from + length - 1,
      reading: undefined,
      cut: new AbortController(),
      received: [],
      lastId: '',
      isCancelled: false,
      isAnswered: false,
      refused: undefined,
      isBusy: true
    }
    this.calls.push(call)
    const args = tool === 'count' ? { from, to: call.to, leave: leave === undefined ? undefined : from + leave } : {}
    const { signal } = call.cut
    await this.#read(call, call.home, begin(call.home.at, callOf(tool, args, call.id), session.headers, signal))
    call.isBusy = false
    return call
  }

  /** Calls `whoami`, which answers at once. */
  async whoami (session: OpenSession, n: number): Promise<void> {
    session.calls += 1
    const id = session.calls
    const { status, body } = await this.#anywhere(n, async ({ at }) =>
      await send(at, callOf('whoami', {}, id), session.headers))
    if (status === 404 && session.isDeleted) return
    if (body.id !== id || body.result.structuredContent.id !== `jwt:${session.user}`) {
      throw new Error(`whoami of ${session.user} returned ${JSON.stringify(body)}`)
    }
  }

  /** Closes the connection of a call. */
  async drop (call: Call): Promise<void> {
    call.cut.abort()
    if (call.reading !== undefined) await settles(call.reading.ended)
    call.received.push(...completeIn(call.reading).messages)
    call.lastId = lastIdOf(call)
    call.reading = undefined
  }

  /** Reads the rest of a call from another instance. */
  async resume (call: Call, n: number): Promise<void> {
    await this.drop(call)
    if (isOver(call) || call.lastId === '') return
    call.cut = new AbortController()
    const place = this.at(n)
    await this.#read(call, place, listen(place.at, call.session.headers, call.lastId, call.cut.signal))
  }

  async answer (call: Call, n: number): Promise<void> {
    const question = await until(() => questionOf(call) ?? (isOver(call) || call.home.isKilled ? 'none' : undefined))
    if (question === 'none') return
    call.isAnswered = true
    this.#isTaken(call.session, await this.#post(call.session, n, answerTo(question, call.name)))
  }

  async cancel (call: Call, n: number): Promise<void> {
    call.isCancelled = true
    this.#isTaken(call.session, await this.#post(call.session, n, cancellationOf(call)))
  }

  /** Deletes a session. After the answer, no instance may know it. */
  async delete (session: OpenSession, n: number): Promise<void> {
    session.isDeleted = true
    const status = await this.#anywhere(n, async ({ at }, isFirst) => {
      const { status } = await fetch(`${at}/mcp`, { method: 'DELETE', headers: session.headers })
      return isFirst || status !== 404 ? status : 200
    })
    if (status !== 200) throw new Error(`DELETE got ${status}`)
    for (let i = 0; i < this.#places.length; i++) {
      const after = await this.#post(session, i, { jsonrpc: '2.0', id: 0, method: 'ping' })
      if (after !== 404) throw new Error(`a deleted session answered with ${after}`)
    }
  }

  /** Another caller tries to answer, resume, cancel and end `call`. None of that may have an effect. */
  async trespass (call: Call, own: OpenSession, n: number): Promise<void> {
    const { 'mcp-session-id': id = '' } = call.session.headers
    const stolen = { ...own, headers: { ...own.headers, 'mcp-session-id': id } }
    const question = questionOf(call)
    const lastId = lastIdOf(call)
    const attempts: Array<Promise<number>> = [
      this.#post(stolen, n, cancellationOf(call)),
      this.#post(stolen, n, answerTo(question, `stolen by ${own.user}`)),
      this.#anywhere(n, async ({ at }) => (await fetch(`${at}/mcp`, { method: 'DELETE', headers: stolen.headers })).status)
    ]
    const found = (await Promise.all(attempts)).find(status => status !== 404)
    if (found !== undefined) throw new Error(`another caller's session answered with ${found}`)
    // In the caller's own session the answer is accepted. It can only match a question of that session.
    if (question !== undefined) this.#isTaken(own, await this.#post(own, n, answerTo(question, `stolen by ${own.user}`)))
    if (lastId === '') return
    const status = await this.#anywhere(n, async ({ at }) => {
      const { response } = await listen(at, own.headers, lastId, AbortSignal.timeout(60_000))
      return response.status
    })
    if (status !== 400 && !(own.isDeleted && status === 404)) {
      throw new Error(`another caller's stream answered with ${status}`)
    }
  }

  /** Resumes a call until it has its answer. */
  async settle (call: Call, n: number): Promise<void> {
    for (let tries = 0; !isOver(call); tries++) {
      if (tries === 20) throw new Error(`${call.name} has no answer: ${JSON.stringify(messagesOf(call))}`)
      if (call.reading === undefined) {
        if (call.lastId === '') return
        await this.resume(call, n + tries)
        if (isOver(call)) break
        if (call.reading === undefined) continue
      }
      if (call.tool === 'ask' && !call.isAnswered && !call.isCancelled) await this.answer(call, n + tries + 1)
      if (call.tool === 'wait' && !call.isCancelled) await this.cancel(call, n + tries + 1)
      const isClean = await this.#endOf(call, n)
      const isResumed = call.received.length > 0 || tries > 0
      await this.drop(call)
      // A cancelled call is not answered.
      if (call.isCancelled && isClean && isResumed) return
    }
    await this.drop(call)
  }

  /** Returns true if the stream ended normally, false if its connection broke. */
  async #endOf (call: Call, n: number): Promise<boolean> {
    const ended = call.reading?.ended.then(() => true, () => false) ?? Promise.resolve(false)
    for (let tries = 0; tries < 20; tries++) {
      if (await settles(ended, 5000)) return await ended
      // An answer waits for an instance that is paused. A repeated answer has no effect.
      if (call.isAnswered && this.#hasPaused()) await this.answer(call, n)
    }
    throw new Error(`the stream of ${call.name} never ended: ${call.reading?.text() ?? ''}`)
  }

  async #read (call: Call, place: Place, answer: Promise<Reading>): Promise<void> {
    const reading = await unlessKilled(place, answer)
    if (reading === undefined) return
    if (reading.response.status !== 200) {
      call.refused = reading.response.status
      return
    }
    call.reading = reading
    let isClosed = false
    void settles(reading.ended).then(() => { isClosed = true })
    await until(() => isClosed || lastIdOf(call) !== '')
  }

  /** Posts a message and returns the status of the instance that accepted it. */
  async #post ({ headers }: OpenSession, n: number, message: Message | object): Promise<number> {
    return await this.#anywhere(n, async ({ at }) => (await send(at, message, headers)).status)
  }

  #isTaken (session: OpenSession, status: number): void {
    if (status === 202 || (status === 404 && session.isDeleted)) return
    throw new Error(`a message of ${session.user} got ${status}`)
  }

  /** Sends a request to an instance, or to the next one if it was killed meanwhile. */
  async #anywhere<T> (n: number, request: (place: Place, isFirst: boolean) => Promise<T>): Promise<T> {
    for (let tries = 0; ; tries++) {
      const place = this.at(n + tries)
      const found = await unlessKilled(place, request(place, tries === 0))
      if (found !== undefined) return found
    }
  }
}

function answerTo (question: Parsed, name: string): object {
  return { jsonrpc: '2.0', id: question?.id ?? 'none', result: { action: 'accept', content: { name } } }
}

function cancellationOf ({ id }: Call): object {
  return { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: id } }
}
