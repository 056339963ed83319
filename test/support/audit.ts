/** An audit log that is closed at the end of its test, with the lines that it logs. */
import type { Test } from 'tap'
import { AuditLog, type AuditOptions } from '../../src/telemetry/audit/audit-log.js'
import type { Decision } from '../../src/telemetry/decision.js'

export interface Line { readonly level: string, readonly fields: Record<string, unknown>, readonly message: string }

export async function openAudit (t: Test, options: AuditOptions): Promise<{ audit: AuditLog, lines: Line[] }> {
  const lines: Line[] = []
  const at = (level: string) => (fields: object, message: string) => {
    lines.push({ level, fields: { ...fields }, message })
  }
  const audit = await AuditLog.open(options, { info: at('info'), error: at('error') })
  t.teardown(async () => { await audit.close() })
  return { audit, lines }
}

export const called: Decision = {
  kind: 'called',
  outcome: 'allowed',
  at: 0,
  requestId: 'r-1',
  principal: 'user:ada',
  method: 'tools/list',
  ms: 1.23456
}
