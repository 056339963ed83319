/** Describes the problems of a value for its sender: the first few, in a short text. */

/** A body of a megabyte can have half a million problems. */
export const maxProblems = 10
const maxProblemLength = 2000
/** A name chosen by the sender may be a megabyte long. */
const maxPathLength = 200

/** `problems`: the first ten of `count`. */
export function problemText (problems: readonly string[], count: number): string {
  const told = problems.join('; ')
  const short = told.length > maxProblemLength ? `${told.slice(0, maxProblemLength)}…` : told
  return count > problems.length ? `${short}; and ${count - problems.length} more` : short
}

export function pathText (path: readonly PropertyKey[]): string {
  if (path.length === 0) return 'arguments'
  const text = path.map(String).join('.')
  return text.length > maxPathLength ? `${text.slice(0, maxPathLength)}…` : text
}
