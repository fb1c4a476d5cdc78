import { parseJson } from '@sealway/protocol'
import express, { type Request, type RequestHandler } from 'express'
import { HttpError } from './problem.js'

/** 32 endpoints with 1 KiB of meta each, and some room. */
export const maxBodyBytes = 64 * 1024

/** Reads any body, uncompressed only: a small one cannot unfold into a large one. */
export const readBytes: RequestHandler = express.raw({ type: () => true, limit: maxBodyBytes, inflate: false })

/** @throws HttpError 415 or `MALFORMED` */
export function jsonBody(request: Request): unknown {
  const type = request.headers['content-type']?.split(';')[0]?.trim().toLowerCase()
  if (type !== 'application/json') {
    throw new HttpError('MALFORMED', 'the body must be sent as content-type: application/json', { status: 415 })
  }
  const bytes: unknown = request.body
  if (!Buffer.isBuffer(bytes) || bytes.length === 0) throw new HttpError('MALFORMED', 'a JSON body is needed')
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw new HttpError('MALFORMED', 'the body is not UTF-8')
  }
  // Refuses the keys through which an object's prototype is reached (RELIABILITY, W4).
  return parseJson(text)
}
