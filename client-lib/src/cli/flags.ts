/** A flag of the command line, as `parseArgs` of node:util takes it, and what its help says. */
export interface Flag {
  readonly type: 'string' | 'boolean'
  readonly multiple?: boolean
  /** What stands behind it in the help. */
  readonly value?: string
  readonly help: string
}

export const flags = {
  url: { type: 'string', value: '<url>', help: 'the mediator (SEALWAY_URL; default http://127.0.0.1:4567)' },
  name: { type: 'string', value: '<name>', help: 'register under this name (default: one made for this command)' },
  reach: {
    type: 'string',
    multiple: true,
    value: '<group>',
    help: 'send to this group without being a member; again for more (default: the group addressed, or SEALWAY_GROUP, or demo)',
  },
  group: {
    type: 'string',
    multiple: true,
    value: '<group>',
    help: 'be a member of this group, which gets a share of its messages; again for more',
  },
  timeout: { type: 'string', value: '<ms>', help: 'give up after this long (default: 10000)' },
  token: { type: 'string', value: '<token>', help: 'default: signed with PROTECTED_BASIC_AND_JWT' },
  json: { type: 'boolean', help: 'machine-readable output and errors' },
  insecure: { type: 'boolean', help: 'allow a token in clear to another host' },
  text: { type: 'boolean', help: 'send the body as text, even if it begins like JSON' },
  acked: { type: 'boolean', help: 'wait for the receipt of the handler, and send again until it comes' },
  id: { type: 'string', value: '<id>', help: 'with --acked: the same message, sent again, is handled once' },
  want: { type: 'string', value: '<what>', help: 'acks or replies: what to wait for (default: acks)' },
  need: { type: 'string', value: '<n>', help: 'how many answers are enough: a number, majority or all (default: all)' },
  limit: { type: 'string', value: '<n>', help: 'end after so many' },
  consumer: { type: 'string', value: '<name>', help: 'share the events with others that subscribe under this name' },
  method: { type: 'string', value: '<method>', help: 'of the request (default: GET; POST with a body)' },
  header: { type: 'string', multiple: true, value: '<h>', help: "'name: value'; again for more" },
  help: { type: 'boolean', help: 'show this' },
} as const satisfies { readonly [name: string]: Flag }

export type FlagName = keyof typeof flags

/** What every verb takes. */
export const commonFlags: readonly FlagName[] = [
  ...(['url', 'name', 'reach', 'group', 'timeout', 'token', 'json', 'insecure', 'help'] as const),
]

export type FlagValues = { readonly [name in FlagName]?: string | boolean | readonly string[] | undefined }
