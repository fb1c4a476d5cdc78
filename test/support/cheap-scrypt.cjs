// Runs before each test file. Operators' passwords are stretched with N = 2^15, 60 ms and more for each mediator and each
// log-in of a test; here they are with N = 2^8. Payload keys from passphrases (N = 2^17) stay as they are.
const crypto = require('node:crypto')

const operatorsN = 2 ** 15
const { scrypt, scryptSync } = crypto
const cheaper = (options) => (options?.N === operatorsN ? { ...options, N: 2 ** 8 } : options)

crypto.scrypt = (password, salt, length, options, done) => scrypt(password, salt, length, cheaper(options), done)
crypto.scryptSync = (password, salt, length, options) => scryptSync(password, salt, length, cheaper(options))
