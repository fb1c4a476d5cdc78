import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseConfig } from '../../../server/src/config'
import { parseEnvFile } from '../../../server/src/settings/env-file'
import { setup } from '../../../server/src/settings/setup'
import { allSettings } from '../../../server/src/settings/table'
import { envTemplate } from '../../../server/src/settings/template'

const templatePath = join(__dirname, '../../../.env.local')

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sealway-setup-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const text = (name: string) => readFileSync(join(folder, name), 'utf8')
const values = (name: string) => parseEnvFile({ name, text: text(name) }).values
const mode = (name: string) => statSync(join(folder, name)).mode & 0o777

describe('the first run', () => {
  it('makes .env and .env.node, for their owner only, in an empty folder', async () => {
    const result = await setup(folder)
    expect(result.created).toEqual(['.env', '.env.node'])
    expect(readdirSync(folder).sort()).toEqual(['.env', '.env.node'])
    expect([mode('.env'), mode('.env.node')]).toEqual([0o600, 0o600])
    expect(result.adminPassword).toBe(values('.env').get('PROTECTED_ADMIN_PASSWORD'))
  })

  it('makes an .env with which the mediator starts', async () => {
    await setup(folder)
    const config = parseConfig({}, { name: '.env', text: text('.env') })
    expect(config.port).toBe(4567)
    expect(config.jwtSecret.symmetricKeySize).toBe(43)
  })

  it("puts the payload key into the nodes' file only, and shares the token secret", async () => {
    await setup(folder)
    expect(text('.env')).not.toMatch(/mk1_[\w-]{43}|^PROTECTED_AES256/m)
    expect(Object.fromEntries(values('.env.node'))).toEqual({
      SEALWAY_URL: 'http://127.0.0.1:4567',
      PROTECTED_BASIC_AND_JWT: values('.env').get('PROTECTED_BASIC_AND_JWT'),
      PROTECTED_AES256: expect.stringMatching(/^mk1_[A-Za-z0-9_-]{43}$/) as string,
    })
  })

  it('makes other secrets each time', async () => {
    await setup(folder)
    const first = [...values('.env').values(), ...values('.env.node').values()]
    rmSync(join(folder, '.env'))
    rmSync(join(folder, '.env.node'))
    await setup(folder)
    const second = new Set([...values('.env').values(), ...values('.env.node').values()])
    expect(first.filter((value) => second.has(value))).toEqual(['http://127.0.0.1:4567'])
  })

  it('starts from the .env.local of the folder, and keeps what is set there but its secrets', async () => {
    writeFileSync(join(folder, '.env.local'), 'PORT=5001\nPROTECTED_BASIC_AND_JWT=from-the-repository\n')
    await setup(folder)
    expect(values('.env').get('PORT')).toBe('5001')
    expect(text('.env')).not.toContain('from-the-repository')
    expect(values('.env').get('PROTECTED_ADMIN_PASSWORD')).toHaveLength(24)
    expect(values('.env.node').get('SEALWAY_URL')).toBe('http://127.0.0.1:5001')
  })

  it('tells nodes the port that the environment gives', async () => {
    await setup(folder, { port: '6001' })
    expect(values('.env.node').get('SEALWAY_URL')).toBe('http://127.0.0.1:6001')
  })

  it('says so where it may not write', async () => {
    await expect(setup(join(folder, 'nowhere'))).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: '.env cannot be written here (ENOENT): start in a folder of your own',
    })
  })

  it('never touches what is there', async () => {
    await setup(folder)
    const before = [text('.env'), text('.env.node')]
    expect(await setup(folder)).toEqual({ created: [] })
    expect([text('.env'), text('.env.node')]).toEqual(before)
  })

  it('is made whole where only one file is left, with the secret that is in it', async () => {
    await setup(folder)
    const secret = values('.env').get('PROTECTED_BASIC_AND_JWT')
    rmSync(join(folder, '.env.node'))
    expect((await setup(folder)).created).toEqual(['.env.node'])
    expect(values('.env.node').get('PROTECTED_BASIC_AND_JWT')).toBe(secret)
    rmSync(join(folder, '.env'))
    expect((await setup(folder)).created).toEqual(['.env'])
    expect(values('.env').get('PROTECTED_BASIC_AND_JWT')).toBe(secret)
  })

  it('refuses to make a node file for an .env without a secret', async () => {
    writeFileSync(join(folder, '.env'), 'PORT=5001\n')
    await expect(setup(folder)).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
    expect(readdirSync(folder)).toEqual(['.env'])
  })

  it('run ten times at once makes one pair of files that fit together', async () => {
    const results = await Promise.all(Array.from({ length: 10 }, () => setup(folder).catch((error: Error) => error)))
    expect(results.filter((result) => result instanceof Error)).toEqual([])
    expect(readdirSync(folder).sort()).toEqual(['.env', '.env.node'])
    expect(values('.env.node').get('PROTECTED_BASIC_AND_JWT')).toBe(values('.env').get('PROTECTED_BASIC_AND_JWT'))
    expect(results.filter((result) => 'adminPassword' in result)).toHaveLength(1)
  })
})

describe('.env.local', () => {
  it('is what the settings table generates: `sealway config template > .env.local`', () => {
    expect(readFileSync(templatePath, 'utf8')).toBe(envTemplate())
  })

  it('names every setting, with its unit and default, and no other', () => {
    const lines = readFileSync(templatePath, 'utf8').split('\n')
    const named = lines.flatMap((line) => /^(?:# )?([A-Z][A-Z0-9_]*)=(.*)$/.exec(line)?.slice(1, 3).join('=') ?? [])
    expect(named).toEqual(allSettings.map((setting) => `${setting.name}=${setting.fallback}`))
    const prose = readFileSync(templatePath, 'utf8').replace(/\n# /g, ' ')
    for (const { unit, meaning } of allSettings) expect(prose).toContain(`${meaning} [${unit}; `)
  })
})
