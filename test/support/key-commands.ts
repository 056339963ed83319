/** A directory for the key commands. */
import { directory } from './keys.js'
import { type Said, say } from './terminal.js'

export const file = 'api-keys.json'

export async function keys (directory: string, args: string[], input = ''): Promise<Said> {
  return await say(['keys', ...args], directory, { API_KEYS_FILE: file }, input)
}

/** Creates a directory with one key, with the `keys create` command. */
export async function withKey (
  t: Parameters<typeof directory>[0],
  ...args: string[]
): Promise<{ cwd: string; id: string; key: string }> {
  const cwd = await directory(t)
  const { id, key } = JSON.parse((await keys(cwd, ['create', '--name', 'laptop', '--json', ...args])).stdout)
  return { cwd, id, key }
}
