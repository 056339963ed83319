/** What is wrong with audit files, and where. */

export interface AuditFault {
  readonly file: string
  /** Starts at 1. */
  readonly line: number
  readonly kind: 'altered' | 'missing' | 'reordered' | 'cut' | 'foreign'
  readonly what: string
}

export interface LineOfFile { readonly file: string, readonly line: number }

export class FaultFound extends Error {
  readonly fault: AuditFault

  constructor (fault: AuditFault) {
    super(fault.what)
    this.fault = fault
  }
}

export function cut (place: LineOfFile): FaultFound {
  return fault(place, 'cut', 'the line is cut off, or is not a JSON object')
}

export function fault (place: LineOfFile, kind: AuditFault['kind'], what: string): FaultFound {
  return new FaultFound({ ...place, kind, what })
}
