/**
 * Sees all that the process of a test writes (files, answers, log lines) and fails it where a
 * credential stands there, or a part of one. `.taprc` loads it before every test.
 */
import fs from 'node:fs'
import { ServerResponse } from 'node:http'
import { syncBuiltinESMExports } from 'node:module'
import { basename } from 'node:path'

/** Tokens and managed keys by their form, cut short or whole. What a call carries between its rounds (`v1.`) is neither. */
const forms = /(?<!\bv1\.)\beyJ(?:[\w-]{5,}\.|[\w-]{20,})|mcp_[a-z0-9]{12}_[0-9A-Za-z]{4,}/
/** How much of a known secret must stand somewhere to be told from chance. */
const partLength = 12
const parts = new Set<string>()
const seen: string[] = []

/** Declares a credential of the tests. Returns it. */
export function secretOfTests (text: string): string {
  for (let at = 0; at + partLength <= text.length; at++) parts.add(text.slice(at, at + partLength))
  return text
}

/** What of a credential stands in `text`; `undefined` where nothing does. */
export function credentialIn (text: string): string | undefined {
  const [form] = forms.exec(text) ?? []
  if (form !== undefined) return form
  for (const part of parts) if (text.includes(part)) return part
  return undefined
}

/** Notes it where a credential stands in what was written to `place`. */
export function witness (place: string, written: unknown): void {
  const text = typeof written === 'string' ? written : written instanceof Uint8Array ? Buffer.from(written).toString('latin1') : ''
  const found = credentialIn(text)
  if (found !== undefined) seen.push(`${place} holds ${found}: ${text.slice(0, 300)}`)
}

/** An answer may hold a token where showing it, once, is what it is for. */
const showing = /"(?:token|link)":"|\\"token\\":|<pre>eyJ/

const unwatched = new WeakSet<object>()

/** For the servers of identity providers: their answers are made of tokens. */
export function lookAway (server: object): void {
  unwatched.add(server)
}

watchAnswers()
await watchFiles()
process.once('exit', () => {
  if (seen.length === 0) return
  process.stderr.write(`A credential was written:\n${[...new Set(seen)].join('\n')}\n`)
  process.exitCode = 1
})

function watchAnswers (): void {
  const { write, end } = ServerResponse.prototype
  const look = (response: ServerResponse, chunk: unknown): void => {
    const { server } = (response.socket ?? {}) as { server?: object }
    if (server !== undefined && unwatched.has(server)) return
    if (typeof chunk === 'string' ? !showing.test(chunk) : chunk instanceof Uint8Array && !showing.test(Buffer.from(chunk).toString())) witness('an answer', chunk)
  }
  ServerResponse.prototype.write = function (this: ServerResponse, ...args: Parameters<typeof write>) {
    look(this, args[0])
    return write.apply(this, args)
  } as typeof write
  ServerResponse.prototype.end = function (this: ServerResponse, ...args: Parameters<typeof end>) {
    look(this, args[0])
    return end.apply(this, args)
  } as typeof end
}

/** What a process of its own said. Standard output, lines of the log aside, is where a command shows what it made. */
export function witnessProcess (stdout: string, stderr: string): void {
  witness('standard error', stderr)
  for (const line of stdout.split('\n')) if (line.startsWith('{"level"')) witness('the log of a process', line)
}

/** `.env` is where configured secrets belong. */
async function watchFiles (): Promise<void> {
  const name = (file: unknown): string => typeof file === 'string' || file instanceof URL ? basename(String(file)) : 'a file'
  const wrap = (host: object, method: string): void => {
    const original: (...args: unknown[]) => unknown = Reflect.get(host, method)
    Reflect.set(host, method, function (this: unknown, file: unknown, data: unknown, ...rest: unknown[]) {
      if (name(file) !== '.env') witness(name(file), data)
      return original.call(this, file, data, ...rest)
    })
  }
  for (const method of ['writeFile', 'appendFile']) {
    wrap(fs, method)
    wrap(fs, `${method}Sync`)
    wrap(fs.promises, method)
  }
  wrap(fs, 'write')
  wrap(fs, 'writeSync')
  syncBuiltinESMExports()

  const handle = await fs.promises.open(process.execPath)
  const prototype: object = Object.getPrototypeOf(handle)
  await handle.close()
  for (const method of ['write', 'writeFile', 'appendFile']) {
    const original: (...args: unknown[]) => unknown = Reflect.get(prototype, method)
    Reflect.set(prototype, method, function (this: unknown, data: unknown, ...rest: unknown[]) {
      witness('a file', data)
      return original.call(this, data, ...rest)
    })
  }
}
