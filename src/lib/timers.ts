/** The bounds of Node's timers. */

/** The longest delay of a timer, in milliseconds. A timer with a longer delay fires at once. */
export const longestTimerMs = 2 ** 31 - 1
