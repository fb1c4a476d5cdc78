/** What keeps a service from being made, in words for whoever wanted it. */
export class Refusal extends Error {
  constructor(
    message: string,
    readonly exitCode: 1 | 2 = 1,
  ) {
    super(message)
  }
}

/** Whoever was asked has pressed Ctrl-C. */
export class Stopped extends Error {}
