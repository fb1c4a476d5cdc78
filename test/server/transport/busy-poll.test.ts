import { ByName } from '../../support/http-by-name'

/** So long that a machine with much to do counts as one to which more comes soon, us. */
const busyPollUs = 300_000
const requests = 40

let byName: ByName
afterEach(() => byName.close())

/** How many turns the mediator stayed awake for, while it carried requests one after the other. */
async function turnsAwake(processors: number | undefined, us: number): Promise<number> {
  const spy = jest.spyOn(globalThis, 'setImmediate')
  try {
    byName = await ByName.start({ config: { busyPollUs: us }, ...(processors === undefined ? {} : { processors }) })
    await byName.node({ onWhole: (exchange) => exchange.respond(200, [], 'here') })
    const client = byName.raw()
    for (let i = 1; i <= requests; i++) {
      client.send('GET /one/g/n/ HTTP/1.1', 'Host: h', `Authorization: Bearer ${byName.bearer}`, '', '')
      await client.until('answer', () => client.statuses.length === i)
    }
    expect(client.statuses).toEqual(Array.from({ length: requests }, () => 200))
    return spy.mock.calls.filter(([work]) => work.name === 'turn').length
  } finally {
    spy.mockRestore()
  }
}

it('the mediator polls while requests and answers follow each other', async () => {
  expect(await turnsAwake(4, busyPollUs)).toBeGreaterThan(0)
})

it.each([
  ['when polling is off', 4, 0],
  ['with two processors', 2, busyPollUs],
  ['with three and a half processors', 3.5, busyPollUs],
  ['when the number of processors is not known', undefined, busyPollUs],
])('the mediator sleeps at once %s', async (_, processors, us) => {
  expect(await turnsAwake(processors, us)).toBe(0)
})
