import base from './jest.config.mjs'

/** Suites that listen, dial, start processes, or open databases. test/support/no-outside.cjs finds the one that is missing. */
const outside = [
  'test/system/',
  'test/contract/',
  'test/scaffold/',
  'test/simulation/',
  'test/types/',
  'test/server/(cli|gateway|live|proxy|registry|store|transport)/',
  'test/client/(fastify|nestjs)/',
  'test/client/browser/(bundle|transport)',
  'test/client/crypto/sealed-type',
  'test/client/http/(local|middleware|uploads)',
  'test/client/session/early-frames',
  'test/client/transport/errors',
  'test/protocol/vectors',
  'test/(architecture|chart|compose|makefile|migrating|migrations)\\.test',
]
/** Suites without any of that, which take several seconds each: `make test` runs them. */
const long = [
  'test/security/',
  'test/client/crypto/open',
  'test/client/http/(bombs|sealed-fetch)',
  'test/client/messaging/(back-pressure|credit|deadline|deadline-storm|idle-routes|waited|handlers-order)\\.test',
  'test/client/messaging/streams/',
  'test/server/auth/(shared|timing)',
  'test/server/session/fuzz',
]

// `make test-fast`: what tells most in the least time, while one works.
export default {
  ...base,
  setupFiles: [...base.setupFiles, '<rootDir>/test/support/no-outside.cjs'],
  testPathIgnorePatterns: ['/node_modules/', ...outside, ...long],
}
