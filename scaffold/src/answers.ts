import { isName } from '@sealway/protocol'
import { Refusal } from './refusal.js'

export const languages = ['js', 'ts'] as const
export const servers = ['none', 'express'] as const
export type Language = (typeof languages)[number]
export type HttpServer = (typeof servers)[number]

/** All that is asked. */
export interface Answers {
  readonly name: string
  readonly group: string
  /** Where the mediator is. */
  readonly url: string
  readonly language: Language
  readonly http: HttpServer
  /** Of the page. */
  readonly port: number
}

const nameRule = '1 to 64 of a-z, 0-9 and (inside) . _ -'
const schemes = ['http:', 'https:', 'ws:', 'wss:', 'unix:', 'sealway+http:', 'sealway+https:']

/** What is wrong with an answer, or undefined: for questions and for flags alike. */
export const checks = {
  name: (text: string) => (isName(text) ? undefined : `not a node's name: ${nameRule}`),
  group: (text: string) => (isName(text) ? undefined : `not a group's name: ${nameRule}`),
  url: (text: string) =>
    URL.canParse(text) && schemes.includes(new URL(text).protocol) && !/[\s"'`]/.test(text)
      ? undefined
      : 'not the URL of a mediator, such as http://127.0.0.1:4567 or wss://mediator.example',
  port: (text: string) =>
    /^\d{1,5}$/.test(text) && Number(text) >= 1 && Number(text) <= 65_535 ? undefined : 'not a port: 1 to 65535',
}

/** @throws Refusal naming the first answer that is wrong */
export function checkAnswers(answers: Answers): Answers {
  for (const what of ['name', 'group', 'url', 'port'] as const) {
    const wrong = checks[what](String(answers[what]))
    if (wrong) throw new Refusal(`--${what} ${JSON.stringify(answers[what])} is ${wrong}`, 2)
  }
  return answers
}

/** The nearest name that a node may have: `My Service` becomes `my-service`. */
export function nameFrom(text: string): string {
  const near = text
    .toLowerCase()
    .replace(/[^a-z0-9._-]+/g, '-')
    .slice(0, 64)
    .replace(/^[^a-z0-9]+|[^a-z0-9]+$/g, '')
  return isName(near) ? near : 'my-service'
}
