import type { Answers } from './answers.js'
import { assignment, type Secrets } from './secrets.js'

/** Of what a generated service may need besides our packages; a test keeps them as they are in this repository. */
export const versions = {
  express: '^5.3.0',
  'socket.io-client': '^4.8.4',
  '@types/express': '^5.0.6',
  '@types/node': '^20.19.0',
  typescript: '7.0.2',
} as const

const pick = (...names: (keyof typeof versions)[]) => Object.fromEntries(names.map((name) => [name, versions[name]]))

/** Everything that is made besides the template's sources, path to text. */
export function renderFiles(
  answers: Answers,
  secrets: Secrets,
  packages: { readonly [name: string]: string },
): Map<string, string> {
  return new Map([
    ['package.json', `${JSON.stringify(manifest(answers, packages), null, 2)}\n`],
    ['README.md', readme(answers, secrets)],
    [
      'Dockerfile',
      dockerfile(
        answers,
        Object.values(packages).some((version) => version.startsWith('file:')),
      ),
    ],
    ['.dockerignore', 'node_modules\ndist\n.env\n.git\n'],
    ['.gitignore', 'node_modules/\ndist/\n.env\n'],
    ['.env', environment(answers, secrets)],
    ...(answers.language === 'ts' ? [['tsconfig.json', tsconfig] as const] : []),
  ])
}

function manifest({ name, language, http, url }: Answers, packages: { readonly [name: string]: string }): object {
  const isTypeScript = language === 'ts'
  const main = isTypeScript ? 'dist/main.js' : 'src/main.js'
  const test = isTypeScript ? 'dist/service.test.js' : 'src/service.test.js'
  const dependencies = {
    ...packages,
    ...(http === 'express' ? pick('express') : {}),
    ...(/^wss?:/.test(url) ? pick('socket.io-client') : {}),
  }
  return {
    name,
    version: '0.1.0',
    private: true,
    type: 'module',
    engines: { node: '>=20.19' },
    scripts: isTypeScript
      ? {
          build: 'tsc',
          prestart: 'npm run --silent build',
          start: `node ${main}`,
          pretest: 'npm run --silent build',
          test: `node --test ${test}`,
        }
      : { start: `node ${main}`, test: `node --test ${test}` },
    dependencies,
    ...(isTypeScript
      ? {
          devDependencies: pick(
            ...(http === 'express' ? (['@types/express'] as const) : []),
            '@types/node',
            'typescript',
          ),
        }
      : {}),
    // What the client depends on comes from vendor/ too, not from a registry.
    ...('@sealway/protocol' in packages ? { overrides: { '@sealway/protocol': '$@sealway/protocol' } } : {}),
  }
}

const tsconfig = `{
  "compilerOptions": {
    "rootDir": "src",
    "outDir": "dist",
    "target": "ES2023",
    "lib": ["ES2023", "ESNext.Disposable"],
    "types": ["node"],
    "module": "NodeNext",
    "moduleResolution": "NodeNext",
    "strict": true,
    "noUncheckedIndexedAccess": true,
    "verbatimModuleSyntax": true,
    "skipLibCheck": true
  },
  "include": ["src"]
}
`

const environment = ({ url, port }: Answers, { from, tokenSecret, payloadKey }: Secrets): string => `\
# Secrets: keep this file out of version control, and away from everybody who must not read or send everything.

# Where the mediator is.
${assignment('SEALWAY_URL', url)}

# Signs this node's own tokens. ${from ? 'The mediator has the same.' : 'Made just now: give it to the mediator, too, in its .env.'}
${assignment('PROTECTED_BASIC_AND_JWT', tokenSecret)}

# Seals what nodes say to one another: all of them need the same. The mediator never has it.
${assignment('PROTECTED_AES256', payloadKey)}

# Where this service serves its page. 127.0.0.1: for this machine only.
PAGE_HOST=127.0.0.1
PAGE_PORT=${port}

# Another name and other groups than in src/main: for a second one of this service.
# NODE_NAME=
# NODE_GROUPS=
# NODE_REACHES=
`

/** @param vendored whether our packages lie in vendor/ */
function dockerfile({ name, language, port }: Answers, vendored: boolean): string {
  const manifests = `COPY package.json package-lock.json* ./\n${vendored ? 'COPY vendor vendor\n' : ''}`
  const build = `FROM node:24-slim AS build
WORKDIR /app
${manifests}RUN npm install --no-audit --no-fund
COPY tsconfig.json ./
COPY src src
RUN npm run build

`
  const [stage, copied, main] =
    language === 'ts'
      ? [build, 'COPY --from=build /app/dist dist', 'dist/main.js']
      : ['', 'COPY src src', 'src/main.js']
  return `# docker build -t ${name} .
# docker run --rm --env-file .env -e PAGE_HOST=0.0.0.0 -p 127.0.0.1:${port}:${port} ${name}
# In a container 127.0.0.1 is the container itself: SEALWAY_URL must be an address at which it reaches the mediator.
${stage}FROM node:24-slim
ENV NODE_ENV=production
WORKDIR /app
${manifests}RUN npm install --omit=dev --no-audit --no-fund && npm cache clean --force
${copied}
COPY page page
USER node
EXPOSE ${port}
STOPSIGNAL SIGTERM
CMD ["node", "${main}"]
`
}

function readme({ name, group, url, language, http, port }: Answers, { from }: Secrets): string {
  const source = (file: string): string => `src/${file}.${language}`
  const secrets = from
    ? 'The secrets in `.env` are those of the mediator that was found when this was made.'
    : 'The secrets in `.env` are new. Put its `PROTECTED_BASIC_AND_JWT` into the `.env` of the mediator, too, and its\n`PROTECTED_AES256` into that of every other node, never into the mediator’s.'
  return `# ${name}

A [Sealway](https://www.npmjs.com/package/sealway) node in the group \`${group}\`: it listens, sends, calls and broadcasts
through the mediator at ${url}, which cannot read what they say.

\`\`\`sh
npm install
npm test
npm start      # and then its page: http://127.0.0.1:${port}
\`\`\`

Ctrl-C lets it finish what it is doing, say good-bye, and end. While the mediator is away it keeps trying, and its page
says so. A second one beside it: \`NODE_NAME=${name}-2 PAGE_PORT=${port + 1} npm start\`.

| file | |
|---|---|
| \`${source('service')}\` | what it does with what arrives: **begin here** |
| \`${source('service.test')}\` | its test, on a mediator inside the test: no port, no waiting |
| \`${source('main')}\` | its name and groups |
${http === 'express' ? `| \`${source('app')}\` | an Express app, on its own port, and under its name in the mediator |\n` : ''}\
| \`${source('run')}\` | from the start to Ctrl-C |
| \`${source('perform')}\` | send, call, broadcast, as the page asks for |
| \`${source('journal')}\`, \`${source('page')}\`, \`page/\` | the web page |

${secrets}

The page has no log-in: it is served on this machine only, and refuses what other sites send to it. Whoever can reach it
can send in the name of this service, so leave \`PAGE_HOST\` as it is, but in a container whose port is published on
loopback.
`
}
