/** Ends calls and streams that the operator switches off. */
import { FrozenError } from '../../errors.js'
import type { FreezeGate } from '../../freeze/freezes.js'
import type { RunningCall, RunningCalls } from '../exchange/running-calls.js'
import type { Streams } from './streams.js'

/** Returns a function that stops this. */
export function endFrozen (freezes: FreezeGate, streams: Streams, running: RunningCalls): () => void {
  return freezes.onFreeze(() => {
    running.endWhere(
      call => freezes.frozenFor(call.caller.principal, toolOf(call)) !== undefined,
      () => new FrozenError({ reason: 'frozen while it ran' })
    )
    streams.endWhere(open => open.isStanding && freezes.frozenFor(open.principal) !== undefined)
  })
}

function toolOf ({ method, params }: RunningCall): string | undefined {
  return method === 'tools/call' && typeof params?.name === 'string' ? params.name : undefined
}
