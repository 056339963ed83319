/** The bounds of Node's timers. */

/** The longest delay of a timer, in milliseconds: a longer one fires at once. */
export const longestTimerMs = 2 ** 31 - 1
