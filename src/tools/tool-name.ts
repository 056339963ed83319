/** The rule for names of tools. */

/** MCP 2025-11-25, Tools, Tool Names. */
const form = /^[A-Za-z0-9_.-]{1,128}$/

/** The end of an error message about a name. */
export const toolNameForm = 'must be 1 to 128 of A-Z a-z 0-9 _ . -'

export function isToolName (text: string): boolean {
  return form.test(text)
}
