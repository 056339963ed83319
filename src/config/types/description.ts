/** Setting types for the name and description of the server. */
import { type SettingType, text } from './basic.js'

const name = /^(?:[a-zA-Z0-9.-]+\/)?[a-zA-Z0-9._-]+$/

/** A machine-readable name, with or without a namespace in reverse DNS. */
export function serverName (): SettingType<string> {
  return text((given, report) => {
    if (!name.test(given) || given.length > 200) {
      report('is not a name', 'use letters, digits, ".", "_" and "-", with one "/" at most: com.example/my-server')
    }
    return given
  })
}

/** One line of at most 100 characters, the limit of directories for titles and descriptions. */
export function shortText (): SettingType<string> {
  return text((given, report) => {
    if ([...given].length > 100) report('is too long', 'use at most 100 characters')
    else if (/[\p{Cc}\u2028\u2029]/u.test(given)) report('contains a line break', 'use one line')
    return given
  })
}
