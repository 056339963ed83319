/** Scenarios that have to fit into a moment of real time, which a busy machine may not have. */

/**
 * Plays a scenario until it returns true, five times at most; `factor` is 1, 2, 4, 8, 16, for scenarios that can be
 * given more time. Returns whether one did. A server at fault fails all of them.
 */
export async function succeeds (play: (factor: number) => Promise<boolean>): Promise<boolean> {
  for (let factor = 1; factor <= 16; factor *= 2) if (await play(factor)) return true
  return false
}
