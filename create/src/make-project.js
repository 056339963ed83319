/** Writes the project and installs its dependencies. Removes everything again if that fails. */
import { randomBytes } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { CreateError } from './create-error.js'
import { install } from './install.js'

const templates = fileURLToPath(new URL('../templates/', import.meta.url))
const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
/** Files with these final names have other names here, because npm leaves them out of packages. */
const renamed = { gitignore: '.gitignore', dockerignore: '.dockerignore', env: '.env.example' }

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP']

/** The sentence about each template in the README. */
const about = {
  service: '`src/server.ts` starts it.',
  embed: '`src/app.ts` is your Fastify app, with the endpoint in it.',
  proxy: '`mcp.json` lists the upstream MCP servers. This server serves their tools as well as its own.'
}

/** Files that contain the name of the project. */
const named = ['README.md', 'AGENTS.md', 'Dockerfile', '.env.example', 'src/options.ts']

/** Resolves to the key of the new server. Throws a `CreateError`. */
export async function makeProject ({ directory, name, template, packageFile, install: isInstalling }) {
  const tarball = packageFile === undefined ? undefined : requireTarball(packageFile)
  const undo = take(directory)
  const [stop, force] = [new AbortController(), new AbortController()]
  // Without a handler, a second signal would end the process while the project is being removed.
  const leave = () => { (stop.signal.aborted ? force : stop).abort() }
  for (const signal of signals) process.on(signal, leave)
  try {
    const secrets = { key: `mcp_${secret()}`, jwtSecret: secret() }
    write({ directory, name, template, tarball, secrets })
    if (isInstalling) await install(directory, { stop: stop.signal, force: force.signal })
    if (stop.signal.aborted) throw new CreateError('Stopped; nothing was left behind.', 130)
    return secrets
  } catch (error) {
    undo()
    if (error instanceof CreateError) throw error
    throw new CreateError(`${directory} cannot be written (${error.code ?? error.message}).`)
  } finally {
    for (const signal of signals) process.removeListener(signal, leave)
  }
}

/** Returns the whole path. Throws a `CreateError`. */
export function requireTarball (file) {
  const path = resolve(file)
  const isFile = existsSync(path) && statSync(path).isFile()
  if (!isFile) throw new CreateError(`--package: ${file} is not a file.`)
  return path
}

/** Creates the directory if there is none. Returns a function that removes everything that was created. */
function take (directory) {
  let made
  try {
    made = mkdirSync(directory, { recursive: true })
  } catch (error) {
    const why = error.code === 'EEXIST' || error.code === 'ENOTDIR' ? 'a file is in its place' : error.code
    throw new CreateError(`${directory} cannot be created or read (${why}).`)
  }
  // A program that npm started may write for a moment after npm itself has ended.
  const remove = path => rmSync(path, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 })
  return () => {
    if (made !== undefined) return remove(made)
    for (const entry of readdirSync(directory)) remove(join(directory, entry))
  }
}

function write ({ directory, name, template, tarball, secrets }) {
  for (const source of ['common', template]) cpSync(join(templates, source), directory, { recursive: true })
  for (const [from, to] of Object.entries(renamed)) {
    cpSync(join(directory, from), join(directory, to))
    rmSync(join(directory, from))
  }
  let ours = `^${version}`
  if (tarball !== undefined) {
    mkdirSync(join(directory, 'vendor'))
    cpSync(tarball, join(directory, 'vendor', basename(tarball)))
    ours = `file:vendor/${basename(tarball)}`
  }
  writeFileSync(join(directory, 'package.json'), `${JSON.stringify(manifest(name, template, ours), null, 2)}\n`)
  for (const file of named) replace(join(directory, file), { 'my-server': name, '@about': about[template] })
  const example = readFileSync(join(directory, '.env.example'), 'utf8')
  const filled = example.replace(/^API_KEYS=.*$/m, `API_KEYS=${secrets.key}`)
    .replace(/^JWT_SECRET=.*$/m, `JWT_SECRET=${secrets.jwtSecret}`)
  writeFileSync(join(directory, '.env'), filled, { mode: 0o600 })
}

function replace (file, words) {
  const text = readFileSync(file, 'utf8')
  writeFileSync(file, Object.entries(words).reduce((text, [word, instead]) => text.replaceAll(word, instead), text))
}

function manifest (name, template, ours) {
  const extra = {
    service: {},
    embed: {},
    proxy: { '@modelcontextprotocol/server-filesystem': '^2026.8.31' }
  }
  return {
    name,
    version: '0.1.0',
    private: true,
    type: 'module',
    engines: { node: '^20.19 || >=22.12' },
    scripts: {
      build: 'tsc',
      start: 'tsc && exec node dist/server.js',
      dev: 'tsx watch src/server.ts',
      test: 'node --import tsx --test test/*.test.ts',
      // The project cannot change the tools of its upstream servers, so it does not lint them.
      lint: template === 'proxy' ? 'tsc' : 'tsc && fastify-mcp-auth lint --tools dist/tools/index.js'
    },
    dependencies: sorted({ fastify: '^5.12.8', 'fastify-mcp-auth': ours, zod: '^4.6.7', ...extra[template] }),
    devDependencies: { '@types/node': '^20.19.43', tsx: '^4.23.15', typescript: '~6.0.3' }
  }
}

function sorted (dependencies) {
  return Object.fromEntries(Object.entries(dependencies).sort(([a], [b]) => a < b ? -1 : 1))
}

function secret () {
  return randomBytes(32).toString('base64url')
}
