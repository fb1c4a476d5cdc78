/*:: import type { Command, Node } from '@sealway/client' */

/** What this service does with what arrives: its handlers, on whatever node it is given. */
export function service(node /*: Node */) {
  // A message, or a broadcast: nobody has to answer it.
  node.on('note', () => {})

  // A call: what is returned is the answer.
  node.on('greet', ({ body } /*: Command<{ name?: string } | undefined> */, ctx) => {
    // An error that the caller is meant to handle; anything else that is thrown is a crash.
    if (!body?.name) throw ctx.fail('NO_NAME')
    return { hello: body.name, from: node.name }
  })
}
