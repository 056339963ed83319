/** The name of the project: that of its directory, as npm takes it. */
import { basename, resolve } from 'node:path'
import { builtinModules } from 'node:module'
import { CreateError } from './create-error.js'

const reserved = new Set(['node_modules', 'favicon.ico', 'fastify-mcp-auth', ...builtinModules])

/** What npm has against the name of `directory`; `undefined` where it takes it. */
export function problemOfName (directory) {
  const name = basename(resolve(directory))
  const isGood = /^[a-z0-9~-][a-z0-9._~-]*$/.test(name) && name.length <= 214 && !reserved.has(name)
  return isGood
    ? undefined
    : `${JSON.stringify(name)} is no name for a package: use lower-case letters, digits and "-", such as my-server.`
}

/** Throws a `CreateError`. */
export function requireName (directory) {
  const problem = problemOfName(directory)
  if (problem !== undefined) throw new CreateError(problem)
  return basename(resolve(directory))
}
