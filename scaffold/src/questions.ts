import { cancel, intro, isCancel, select, text } from '@clack/prompts'
import { type Answers, checks, type HttpServer, type Language } from './answers.js'
import { Stopped } from './refusal.js'

/** Asks in the terminal what the flags have not said. @throws Stopped */
export async function ask(defaults: Answers, given: Partial<Answers>): Promise<Answers> {
  intro('A Sealway service of your own')
  const line = async (what: 'name' | 'group' | 'url', message: string): Promise<string> =>
    given[what] ??
    answered(
      await text({
        message,
        placeholder: defaults[what],
        defaultValue: defaults[what],
        validate: (value) => (value ? checks[what](value) : undefined),
      }),
    )
  const name = await line('name', 'What is it called? Others reach it under this name')
  const group = await line('group', 'Which group is it in? It may talk with those who are in it')
  const url = await line('url', 'Where is the mediator?')
  const language =
    given.language ??
    answered(
      await select<Language>({
        message: 'In which language?',
        options: [
          { value: 'js', label: 'JavaScript', hint: 'nothing to build' },
          { value: 'ts', label: 'TypeScript' },
        ],
        initialValue: defaults.language,
      }),
    )
  const http =
    given.http ??
    answered(
      await select<HttpServer>({
        message: 'With an Express app, reachable by its name?',
        options: [
          { value: 'none', label: 'No', hint: 'its page needs none' },
          { value: 'express', label: 'Yes, Express' },
        ],
        initialValue: defaults.http,
      }),
    )
  return { ...defaults, ...given, name, group, url, language, http }
}

function answered<T>(value: T): Exclude<T, symbol> {
  if (!isCancel(value)) return value as Exclude<T, symbol>
  cancel('Stopped; nothing was made.')
  throw new Stopped()
}
