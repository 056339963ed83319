/** Whether a project can be created in a directory: its name must be valid for npm, and its place must be free. */
import { existsSync, readdirSync, statSync } from 'node:fs'
import { builtinModules } from 'node:module'
import { basename, resolve } from 'node:path'
import { CreateError } from './create-error.js'

const reserved = new Set(['node_modules', 'favicon.ico', 'fastify-mcp-auth', ...builtinModules])

/** Why no project can be created in `directory`, as a sentence. `undefined` if no problem was found. */
export function problemOfDirectory (directory) {
  return problemOfName(basename(resolve(directory))) ?? problemOfPlace(resolve(directory))
}

/** Returns the name of the project in `directory`. Throws a `CreateError`. */
export function requireDirectory (directory) {
  const problem = problemOfDirectory(directory)
  if (problem !== undefined) throw new CreateError(problem)
  return basename(resolve(directory))
}

function problemOfName (name) {
  const isGood = /^[a-z0-9~-][a-z0-9._~-]*$/.test(name) && name.length <= 214 && !reserved.has(name)
  return isGood
    ? undefined
    : `${JSON.stringify(name)} is not a valid package name: use lower-case letters, digits and "-", such as my-server.`
}

function problemOfPlace (path) {
  try {
    if (!existsSync(path)) return undefined
    if (!statSync(path).isDirectory()) return `${path} cannot be created or read (a file is in its place).`
    return readdirSync(path).length === 0
      ? undefined
      : `${path} is not empty: name a new directory, or empty this one.`
  } catch (error) {
    return `${path} cannot be created or read (${error.code}).`
  }
}
