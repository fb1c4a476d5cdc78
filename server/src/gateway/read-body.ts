import { parseJson } from '@sealway/protocol'
import express, { type Request, type RequestHandler } from 'express'
import { HttpError } from './problem.js'

/** 32 endpoints with 1 KiB of meta each, and some room. */
export const maxBodyBytes = 64 * 1024

/** Reads any body, uncompressed only: a small one cannot unfold into a large one. */
export const readBytes: RequestHandler = express.raw({ type: () => true, limit: maxBodyBytes, inflate: false })

/** Of a route that takes bytes; base64 in JSON makes more of them. */
export const readAtMost = (maxBytes: number): RequestHandler =>
  express.raw({ type: () => true, limit: Math.ceil((maxBytes * 4) / 3) + 1_024, inflate: false })

/** The bytes of `application/octet-stream`, or of `{ "frame": base64 }`. @throws HttpError 415, `MALFORMED`, `TOO_LARGE` */
export function bytesBody(request: Request, maxBytes: number): Uint8Array {
  const type = request.headers['content-type']?.split(';')[0]?.trim().toLowerCase()
  let bytes: unknown = request.body
  if (type === 'application/json') {
    const { frame } = (jsonBody(request) ?? {}) as { frame?: unknown }
    if (typeof frame !== 'string' || !base64Form.test(frame)) {
      throw new HttpError('MALFORMED', 'body.frame must be the frame in base64')
    }
    bytes = Buffer.from(frame, 'base64')
  } else if (type !== 'application/octet-stream') {
    throw new HttpError('UNSUPPORTED_MEDIA_TYPE', 'the frame must be sent as application/octet-stream, or as JSON')
  }
  if (!Buffer.isBuffer(bytes)) throw new HttpError('MALFORMED', 'a body is needed')
  if (bytes.length > maxBytes) throw new HttpError('TOO_LARGE', `a frame has at most ${maxBytes} bytes`)
  return bytes
}

/** RFC 4648 s4 or s5, padded or not. One pass: no backtracking, whatever the length. */
const base64Form = /^[A-Za-z0-9+/_-]*={0,2}$/

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
