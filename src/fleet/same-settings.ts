/** Warns the operator if instances have different limits: limits are exact only if all are the same. */
import type { Bus, Json } from './bus.js'

const topic = 'settings'
/** Maximum number of warnings. A rolling restart causes one or two. */
const maxTold = 10

export interface SameSettingsOptions {
  readonly bus: Bus
  /** The settings that must be the same on all instances, by name. */
  readonly settings: Readonly<Record<string, Json>>
  /** Called once for each different set of settings, with the names of those that differ. */
  readonly warn: (names: readonly string[]) => void
}

/** Sends these settings to the other instances, and compares theirs. */
export function compareSettings ({ bus, settings: own, warn }: SameSettingsOptions): void {
  if (!bus.isShared) return
  const told = new Set<string>()
  bus.on(topic, (message, { from, id }) => {
    if (from === bus.id || typeof message !== 'object' || message === null || Array.isArray(message)) return
    const theirs = message as Readonly<Record<string, Json | undefined>>
    // Settings that the other version does not have are not compared.
    const names = Object.keys(own).filter(name =>
      Object.hasOwn(theirs, name) && JSON.stringify(theirs[name]) !== JSON.stringify(own[name]))
    if (names.length === 0) return
    // The sender started later and does not know these settings.
    if (id !== '') bus.tell(from, topic, own).catch(() => {})
    const key = JSON.stringify(names.map(name => [name, theirs[name]]))
    if (told.has(key) || told.size >= maxTold) return
    told.add(key)
    warn(names)
  })
  const tell = (): void => { bus.tellAll(topic, own).catch(() => {}) }
  bus.onGap(tell)
  tell()
}
