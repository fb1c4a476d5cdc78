import express from 'express'

/** An ordinary Express app: on this service's own port, and under its name in the mediator. */
export const app = express()

app.get('/hello/:name', (request, response) => {
  // Who asks is known where another node does.
  response.json({ hello: request.params.name, from: request.sealway?.from ?? 'somebody' })
})
