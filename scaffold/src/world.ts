import type { Answers } from './answers.js'

/** The world, as the scaffold sees it. main.ts makes the real one; tests make their own. */
export interface World {
  /** Where relative folders begin, and where a mediator's `.env` is looked for first. */
  readonly folder: string
  /** The package create-sealway itself: its template lies here, and perhaps a checkout around it. */
  readonly home: string
  readonly platform: string
  readonly environment: { readonly [name: string]: string | undefined }
  /** Asks whoever sits at the terminal; undefined where nobody does. @throws Stopped */
  readonly ask: ((defaults: Answers, given: Partial<Answers>) => Promise<Answers>) | undefined
  readonly version: string
  readonly random: (bytes: number) => Buffer
  readonly out: (text: string) => void
  readonly err: (text: string) => void
}
