/** What a check of `sealway doctor` found. */
export interface Finding {
  readonly state: 'ok' | 'warn' | 'fail'
  /** One word: what was looked at. */
  readonly about:
    | 'settings'
    | 'traffic'
    | 'secrets'
    | 'limits'
    | 'database'
    | 'ports'
    | 'mediator'
    | 'clock'
    | 'keys'
    | 'nodes'
  readonly text: string
  /** What to do, where there is something. */
  readonly advice?: string
}

export const ok = (about: Finding['about'], text: string): Finding => ({ state: 'ok', about, text })
export const warn = (about: Finding['about'], text: string, advice: string): Finding => ({
  ...{ state: 'warn', about, text, advice },
})
export const fail = (about: Finding['about'], text: string, advice: string): Finding => ({
  ...{ state: 'fail', about, text, advice },
})

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
