import { availableParallelism } from 'node:os'

import { commonJsOf } from './test/support/common-js.mjs'

/** @param more of @swc/core's `jsc` */
const swc = (parser, more) => [
  '@swc/jest',
  {
    jsc: { target: 'es2023', parser: { syntax: 'typescript', ...parser }, ...more },
    module: { type: 'commonjs' },
    sourceMaps: 'inline',
  },
]

// One transform, no type check (that is `make check`): the suites start in milliseconds.
export default {
  // One more than there are cores: much of what is tested waits for other processes, a worker uses a third of a core.
  maxWorkers: availableParallelism() + 1,
  testMatch: ['<rootDir>/test/**/*.test.ts'],
  testEnvironment: 'node',
  setupFiles: ['<rootDir>/test/support/cheap-scrypt.cjs'],
  transform: {
    // Nest's decorators, which no source of ours has.
    '/test/client/nestjs/.*\\.ts$': swc({ decorators: true }, { transform: { legacyDecorator: true } }),
    '\\.tsx?$': swc(),
  },
  moduleNameMapper: {
    '^(\\.{1,2}/.*)\\.js$': '$1',
    '^@sealway/protocol$': '<rootDir>/protocol/src/index.ts',
    '^@sealway/client$': '<rootDir>/client-lib/src/index.ts',
    '^@sealway/client/testing$': '<rootDir>/client-lib/src/testing/index.ts',
    '^@sealway/client/browser$': '<rootDir>/client-lib/src/browser/index.ts',
    '^@sealway/client/otel$': '<rootDir>/client-lib/src/otel/index.ts',
    '^@sealway/client/fastify$': '<rootDir>/client-lib/src/fastify/index.ts',
    '^@sealway/client/nestjs$': '<rootDir>/client-lib/src/nestjs/index.ts',
    '^@sealway/client/plugins$': '<rootDir>/client-lib/src/plugins/index.ts',
    '^http-proxy$': commonJsOf('http-proxy'),
    '^sealway$': '<rootDir>/server/src/mediator.ts',
    '^#fixtures$': '<rootDir>/fixtures/development.ts',
    '^#migrations$': '<rootDir>/migrations/index.ts',
  },
  // Not a measure of speed: what hangs ends here, also on a machine several times slower than any seen so far.
  testTimeout: 180_000,
  modulePathIgnorePatterns: ['<rootDir>/.*/dist/'],
}
