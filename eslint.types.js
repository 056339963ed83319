/** Lint rules that need type information, for the code that runs in production. Separate, because they are slow. */
import neostandard, { plugins } from 'neostandard'

const { parser } = neostandard({ ts: true })
  .map(({ languageOptions }) => languageOptions ?? {})
  .find(({ parser }) => parser !== undefined) ?? {}

export default [
  {
    files: ['src/**/*.ts', 'plugins/**/*.ts'],
    languageOptions: { parser, parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    plugins: { '@typescript-eslint': plugins['typescript-eslint'].plugin },
    linterOptions: { reportUnusedDisableDirectives: 'off' },
    // A promise that is not awaited ends the process when it rejects. Write `void` before one that never rejects.
    rules: { '@typescript-eslint/no-floating-promises': 'error' }
  }
]
