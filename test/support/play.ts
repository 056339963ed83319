/** Retries scenarios that depend on real time and may fail on a busy machine. */

/**
 * Plays a scenario until it returns true, at most five times. `factor` is 1, 2, 4, 8, 16 and can scale
 * waiting times. Returns whether one play returned true. A fault of the server fails all five.
 */
export async function succeeds (play: (factor: number) => Promise<boolean>): Promise<boolean> {
  for (let factor = 1; factor <= 16; factor *= 2) if (await play(factor)) return true
  return false
}
