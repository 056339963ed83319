/** Writes the project and installs it. What was begun and failed is taken away again. */
import { randomBytes } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { CreateError } from './create-error.js'
import { install } from './install.js'

const templates = fileURLToPath(new URL('../templates/', import.meta.url))
const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
/** npm leaves out files of these names when it packs. */
const renamed = { gitignore: '.gitignore', dockerignore: '.dockerignore', env: '.env.example' }

/** Files that say what the project is called. */
const named = ['README.md', 'AGENTS.md', 'Dockerfile', '.env.example', 'src/options.ts']

/** Resolves to the key of the new server. Throws a `CreateError`. */
export async function makeProject ({ directory, name, template, packageFile, install: isInstalling }) {
  const tarball = packageFile === undefined ? undefined : requireTarball(packageFile)
  const undo = take(directory)
  const interrupted = new AbortController()
  const leave = () => { interrupted.abort() }
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, leave)
  try {
    const secrets = { key: `mcp_${secret()}`, jwtSecret: secret() }
    write({ directory, name, template, tarball, secrets })
    if (isInstalling) await install(directory, interrupted.signal)
    if (interrupted.signal.aborted) throw new CreateError('Stopped; nothing was left behind.', 130)
    return secrets
  } catch (error) {
    undo()
    if (error instanceof CreateError) throw error
    throw new CreateError(`${directory} cannot be written (${error.code ?? error.message}).`)
  } finally {
    for (const signal of ['SIGINT', 'SIGTERM']) process.removeListener(signal, leave)
  }
}

function requireTarball (file) {
  const path = resolve(file)
  const isFile = existsSync(path) && statSync(path).isFile()
  if (!isFile) throw new CreateError(`--package: ${file} is not a file.`)
  return path
}

/** Makes the directory where there is none. Returns what takes away all that was made. */
function take (directory) {
  let made
  try {
    made = mkdirSync(directory, { recursive: true })
    if (readdirSync(directory).length > 0) {
      throw new CreateError(`${directory} is not empty: name a new directory, or empty this one.`)
    }
  } catch (error) {
    if (error instanceof CreateError) throw error
    const why = error.code === 'EEXIST' || error.code === 'ENOTDIR' ? 'a file is in its place' : error.code
    throw new CreateError(`${directory} cannot be made or read (${why}).`)
  }
  return () => {
    if (made !== undefined) return rmSync(made, { recursive: true, force: true })
    for (const entry of readdirSync(directory)) rmSync(join(directory, entry), { recursive: true, force: true })
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
  for (const file of named) replaceName(join(directory, file), name)
  const example = readFileSync(join(directory, '.env.example'), 'utf8')
  const filled = example.replace(/^API_KEYS=.*$/m, `API_KEYS=${secrets.key}`)
    .replace(/^JWT_SECRET=.*$/m, `JWT_SECRET=${secrets.jwtSecret}`)
  writeFileSync(join(directory, '.env'), filled, { mode: 0o600 })
}

function replaceName (file, name) {
  writeFileSync(file, readFileSync(file, 'utf8').replaceAll('my-server', name))
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
      // The tools of an upstream are not this project's to change.
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
