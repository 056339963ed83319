/** Describes the machine of the measurement. */
import { cpus, totalmem } from 'node:os'

export function machine () {
  const [{ model } = { model: 'unknown' }, ...others] = cpus()
  return `Node ${process.version}, ${others.length + 1} cores (${model.trim()}), ${Math.round(totalmem() / 2 ** 30)} GB`
}
