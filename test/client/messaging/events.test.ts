import { Emitter } from '../../../client-lib/src/messaging/events.js'

interface Events {
  rain: { readonly mm: number }
  sun: undefined
}

describe('an emitter', () => {
  it('tells each listener, in the order in which they came, and of its own event only', () => {
    const seen: string[] = []
    const emitter = new Emitter<Events>(() => {})
    emitter.on('rain', ({ mm }) => seen.push(`first ${mm}`))
    emitter.on('rain', ({ mm }) => seen.push(`second ${mm}`))
    emitter.on('sun', () => seen.push('sun'))
    emitter.emit('rain', { mm: 3 })
    expect(seen).toEqual(['first 3', 'second 3'])
  })

  it('does nothing where nobody listens', () => {
    expect(() => new Emitter<Events>(() => {}).emit('sun', undefined)).not.toThrow()
  })

  it('lets a listener go, once and for all, and no other', () => {
    const emitter = new Emitter<Events>(() => {})
    const [one, two] = [jest.fn(), jest.fn()]
    const off = emitter.on('sun', one)
    emitter.on('sun', two)
    off()
    off()
    emitter.emit('sun', undefined)
    expect(one).not.toHaveBeenCalled()
    expect(two).toHaveBeenCalledTimes(1)
  })

  it('tells the others where one throws, and reports the error', () => {
    const errors: unknown[] = []
    const emitter = new Emitter<Events>((error) => errors.push(error))
    const after = jest.fn()
    const thrown = new Error('listener')
    emitter.on('sun', () => {
      throw thrown
    })
    emitter.on('sun', after)
    emitter.emit('sun', undefined)
    expect(errors).toEqual([thrown])
    expect(after).toHaveBeenCalledTimes(1)
  })

  it('takes a listener that leaves while it is told', () => {
    const emitter = new Emitter<Events>(() => {})
    let calls = 0
    const off = emitter.on('sun', () => {
      calls++
      off()
    })
    emitter.emit('sun', undefined)
    emitter.emit('sun', undefined)
    expect(calls).toBe(1)
  })
})
