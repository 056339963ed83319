/** Wraps a child process in a shell that ends the whole process group with the child, or with this server. */
import { spawnSync } from 'node:child_process'

const setpriv = 'setpriv'

/**
 * TERM is sent by this server, which also sends KILL later. HUP is sent by the kernel when this server has
 * died (`--pdeathsig`), so the shell sends both signals itself. The whole group is ended, because `npx` and
 * similar programs start the server as another process. Messages of the shell, such as "Terminated", are
 * dropped.
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

/** True if `setpriv --pdeathsig` works: Linux with util-linux. BusyBox has no such option. */
function canBind (): boolean {
  isBound ??= spawnSync(setpriv, ['--pdeathsig', 'HUP', '--', 'true'], { stdio: 'ignore' }).status === 0
  return isBound
}

/** Returns the program and the arguments to spawn instead of `command`. */
export function supervised (command: string, args: readonly string[]): [string, ...string[]] {
  const shell = ['/bin/sh', '-c', script, 'upstream', command, ...args] as const
  return canBind() ? [setpriv, '--pdeathsig', 'HUP', '--', ...shell] : [...shell]
}

/** True if the process group of `pid` still has a process. */
export function groupLives (pid: number): boolean {
  return signalGroup(pid, 0)
}

/** Returns false if the group has no process. */
export function signalGroup (pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(-pid, signal)
  } catch {
    return false
  }
}
