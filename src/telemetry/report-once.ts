/** Reports only the first of several errors, because the same fault may occur on every request. */

/** A function that passes its first error to `report`, and ignores all later ones. */
export function reportOnce (report: (error: unknown) => void): (error: unknown) => void {
  let isReported = false
  return error => {
    if (isReported) return
    isReported = true
    report(error)
  }
}
