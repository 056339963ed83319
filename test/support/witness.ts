/**
 * Checks everything that a test process writes (files, answers, log lines) and fails the test if it contains
 * a credential or a part of one. `.taprc` loads it before every test.
 */
import { credentialPatterns } from '../../src/principal/credential-forms.js'
import fs from 'node:fs'
import { ServerResponse } from 'node:http'
import { syncBuiltinESMExports } from 'node:module'
import { basename, join } from 'node:path'

/** The forms of tokens, managed keys and codes of links, whole or in part. */
const { part: forms } = credentialPatterns
/** A match of a known secret with fewer characters could be chance. */
const partLength = 12
const parts = new Set<string>()
const seen: string[] = []

/** Declares a credential of the tests and returns it. */
export function secretOfTests (text: string): string {
  for (let at = 0; at + partLength <= text.length; at++) parts.add(text.slice(at, at + partLength))
  return text
}

/**
 * Declares the part of a credential that has no recognizable form: the signature of a token, the secret of a
 * managed key, the code of a link. Returns the whole credential.
 */
export function credentialOfTests (text: string): string {
  const [, secret = ''] =
    /(?:mcp_[a-z0-9]{12}_|mcp_claim_|mcp_refresh_[0-9a-f]{24}_\d+_|^eyJ[\w-]+\.[\w-]+\.)([\w-]+)$/.exec(
      text
    ) ?? []
  secretOfTests(secret)
  return text
}

/** Returns the part of `text` that belongs to a credential, or `undefined`. */
export function credentialIn (text: string): string | undefined {
  const [form] = forms.exec(text) ?? []
  if (form !== undefined) return form
  for (let at = 0; at + partLength <= text.length; at++) {
    const part = text.slice(at, at + partLength)
    if (parts.has(part)) return part
  }
  return undefined
}

/** Records a finding if `written` contains a credential. */
export function witness (place: string, written: unknown): void {
  const text = textOf(written)
  const found = credentialIn(text)
  if (found !== undefined) seen.push(`${place} holds ${found}: ${text.slice(0, 300)}`)
}

function textOf (written: unknown): string {
  if (Array.isArray(written)) return written.map(textOf).join('')
  if (typeof written === 'string') return written
  return ArrayBuffer.isView(written)
    ? Buffer.from(written.buffer, written.byteOffset, written.byteLength).toString('latin1')
    : ''
}

/**
 * Checks the files below a directory, including those of other processes. `.env` is exempt: configured
 * secrets belong there.
 */
export function witnessFiles (directory: string): void {
  const files = fs.existsSync(directory) ? fs.readdirSync(directory, { recursive: true, withFileTypes: true }) : []
  for (const file of files) {
    // Since Node 22 readdir follows a link to the packages, whose source maps look like tokens.
    const isOthers = /[\\/]node_modules([\\/]|$)/.test(file.parentPath.slice(directory.length))
    if (file.isFile() && file.name !== '.env' && !isOthers) {
      witness(file.name, readIfThere(join(file.parentPath, file.name)))
    }
  }
}

/** Returns undefined if the file is gone. A process that ends may remove its temporary files. */
function readIfThere (path: string): Buffer | undefined {
  try {
    return fs.readFileSync(path)
  } catch {
    return undefined
  }
}

/** The places where an answer legitimately shows a token or a link once. */
const shown = /(\\*"(?:token|link|access_token|refresh_token)\\*": ?\\*"|<pre>)([^"\\<]+)/g
/** The end of an answer that is checked together with its next chunk. */
const tailLength = 2048

const unwatched = new WeakSet<object>()

/** Exempts the server of an identity provider, whose answers are tokens. */
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
  const tails = new WeakMap<ServerResponse, string>()
  const look = (response: ServerResponse, chunk: unknown): void => {
    const text = (tails.get(response) ?? '') + textOf(chunk)
    tails.set(response, text.slice(-tailLength))
    // The shown credential must not appear anywhere else.
    const rest = text.replace(shown, (_all, before: string, value: string) => {
      credentialOfTests(value)
      return before
    })
    witness('an answer', rest)
  }
  const isWatched = ({ socket }: ServerResponse): boolean => {
    const { server } = (socket ?? {}) as { server?: object }
    return server === undefined || !unwatched.has(server)
  }
  ServerResponse.prototype.write = function (this: ServerResponse, ...args: Parameters<typeof write>) {
    if (isWatched(this)) look(this, args[0])
    return write.apply(this, args)
  } as typeof write
  ServerResponse.prototype.end = function (this: ServerResponse, ...args: Parameters<typeof end>) {
    const isOurs = isWatched(this)
    if (isOurs) look(this, args[0])
    const result = end.apply(this, args)
    // Only now are all headers complete, however they were set.
    if (isOurs) witness('the headers of an answer', Reflect.get(this, '_header'))
    return result
  } as typeof end
}

/** Checks the output of a process. A command may show what it created on standard output, but not in logs. */
export function witnessProcess (stdout: string, stderr: string): void {
  for (const [text] of stdout.matchAll(/\b(?:eyJ[\w-]+\.[\w-]+\.|mcp_[a-z0-9]{12}_)[\w-]+/g)) credentialOfTests(text)
  witness('standard error', stderr)
  for (const line of stdout.split('\n')) if (line.startsWith('{"level"')) witness('the log of a process', line)
}

/** Returns true for tsx's cache of compiled tests. Since Node 22 the test's own thread writes it. */
function isCompiled (file: unknown): boolean {
  return typeof file === 'string' && /[\\/]tsx-[^\\/]*[\\/][^\\/]+$/.test(file)
}

/** Checks every written file except `.env`, where configured secrets belong. */
async function watchFiles (): Promise<void> {
  const name = (file: unknown): string =>
    typeof file === 'string' || file instanceof URL ? basename(String(file)) : 'a file'
  const wrap = (host: object, method: string): void => {
    const original: (...args: unknown[]) => unknown = Reflect.get(host, method)
    Reflect.set(host, method, function (this: unknown, file: unknown, data: unknown, ...rest: unknown[]) {
      if (name(file) !== '.env' && !isCompiled(file)) witness(name(file), data)
      return original.call(this, file, data, ...rest)
    })
  }
  for (const method of ['writeFile', 'appendFile']) {
    wrap(fs, method)
    wrap(fs, `${method}Sync`)
    wrap(fs.promises, method)
  }
  for (const method of ['write', 'writeSync', 'writev', 'writevSync']) wrap(fs, method)
  syncBuiltinESMExports()

  const handle = await fs.promises.open(process.execPath)
  const prototype: object = Object.getPrototypeOf(handle)
  await handle.close()
  for (const method of ['write', 'writev', 'writeFile', 'appendFile']) {
    const original: (...args: unknown[]) => unknown = Reflect.get(prototype, method)
    Reflect.set(prototype, method, function (this: unknown, data: unknown, ...rest: unknown[]) {
      witness('a file', data)
      return original.call(this, data, ...rest)
    })
  }
}
