import { resolve } from 'node:path'
import { parseLocation } from '../../../server/src/store/location.js'

describe('DATABASE_URL', () => {
  it.each([
    ['sqlite:./a.sqlite', './a.sqlite'],
    ['./a.sqlite', './a.sqlite'],
    ['a.sqlite', 'a.sqlite'],
    ['sqlite:a.sqlite', 'a.sqlite'],
    ['sqlite:///var/a.sqlite', '/var/a.sqlite'],
    ['sqlite://./a.sqlite', './a.sqlite'],
    ['file:a.sqlite', 'a.sqlite'],
  ])('reads %s as a file', (url, shown) => {
    expect(parseLocation(url)).toEqual({ type: 'sqlite', file: resolve(shown), shown })
  })

  it.each(['sqlite::memory:', ':memory:', 'sqlite://:memory:'])('reads %s as a database that is not kept', (url) => {
    expect(parseLocation(url)).toMatchObject({ type: 'sqlite', file: ':memory:' })
  })

  it('reads user, password, host, port and database of MySQL, and shows no password', () => {
    expect(parseLocation('mysql://us%40er:p%3Aw%2F@db.example:3307/sealway')).toEqual({
      type: 'mysql',
      host: 'db.example',
      port: 3307,
      user: 'us@er',
      password: 'p:w/',
      database: 'sealway',
      tls: false,
      shown: 'db.example:3307/sealway',
    })
    expect(parseLocation('mariadb://u@[::1]/s?tls=true')).toMatchObject({ host: '::1', port: 3306, tls: true })
  })

  it.each([
    ['mysql://u:canary@/db', 'host'],
    ['mysql://u:canary@h', 'database'],
    ['mysql://u:canary@h/a/b', 'database'],
    ['mysql://u:canary@h/d?ssl=1', '"ssl" is unknown'],
    ['mysql://u:canary%@h/d', '%25'],
    ['mysql://u:canary@h:99999/d', 'not a URL'],
    ['postgres://u:canary@h/d', '"postgres:"'],
    ['sqlite:', 'no file'],
    ['', 'empty'],
  ])('refuses %s with CONFIG_INVALID, says why, and shows no password', (url, why) => {
    let error: unknown
    try {
      parseLocation(url)
    } catch (thrown) {
      error = thrown
    }
    expect(error).toMatchObject({ code: 'CONFIG_INVALID', message: expect.stringContaining(why) })
    expect((error as Error).message).not.toContain('canary')
  })
})
