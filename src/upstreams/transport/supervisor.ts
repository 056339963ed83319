/** A shell around a child process: it ends the whole group with the process, and with ours. */
import { spawnSync } from 'node:child_process'

const setpriv = 'setpriv'

/**
 * TERM comes from us, and we KILL what is left. HUP comes from the kernel when we are gone (`--pdeathsig`), so the
 * shell does both. It ends the whole group: `npx` and its like start the server as a process of their own. The
 * shell's own messages, such as "Terminated", are dropped.
 */
const script = `
exec 3<&0 4>&2 2>/dev/null
unset PWD OLDPWD SHLVL _
"$@" <&3 3<&- 2>&4 4>&- &
child=$!
exec 3<&- 4>&- </dev/null
trap 'trap "" TERM HUP; kill -TERM 0' TERM
trap 'trap "" TERM HUP; (sleep 5; kill -KILL 0) & kill -TERM 0; wait "$child"; sleep 1; kill -KILL 0' HUP
wait "$child"; code=$?
while [ "$code" -gt 128 ] && kill -0 "$child" 2>/dev/null; do wait "$child"; code=$?; done
trap '' TERM HUP
kill -TERM 0
exit "$code"
`

let isBound: boolean | undefined

/** Whether the kernel can be asked to end a process with ours. Linux with util-linux; not what BusyBox has. */
function canBind (): boolean {
  isBound ??= spawnSync(setpriv, ['--pdeathsig', 'HUP', '--', 'true'], { stdio: 'ignore' }).status === 0
  return isBound
}

/** The program and its arguments to spawn in place of `command`. */
export function supervised (command: string, args: readonly string[]): [string, ...string[]] {
  const shell = ['/bin/sh', '-c', script, 'upstream', command, ...args] as const
  return canBind() ? [setpriv, '--pdeathsig', 'HUP', '--', ...shell] : [...shell]
}

/** Whether a process of the group that `pid` leads is left. */
export function groupLives (pid: number): boolean {
  return signalGroup(pid, 0)
}

/** False where the group is gone. */
export function signalGroup (pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(-pid, signal)
  } catch {
    return false
  }
}
