/**
 * The relay's frames (design/relay.md), on the socket between an engine's object and an agent that serves it. A frame is
 * `u8 version, u8 type, u32 stream, u32 length, payload`, numbers big-endian; a socket's binary message holds one frame
 * or many, never a part of one. Streams are numbered by the object; stream 0 is the socket itself.
 */

export const FRAME_VERSION = 1;
export const FRAME_HEADER_BYTES = 10;
/** Of one frame; larger pieces are divided. */
export const MAX_FRAME_PAYLOAD_BYTES = 64 * 1024;
/** What a side may send on a stream before it is granted more. */
export const STREAM_CREDIT_BYTES = 256 * 1024;
/** A message of small frames is sent when it is this old or this large, whichever comes first. */
export const COALESCE_MS = 10;
export const COALESCE_BYTES = 64 * 1024;
/** A sender that has waited this long for credit gives its stream up. */
export const NO_CREDIT_MS = 30_000;
/** Of a request's body. */
export const MAX_RELAY_BODY_BYTES = 8 * 1024 * 1024;

/**
 * Object → agent: `open` (JSON, relayOpen), `body` (bytes of the request), `end` (of the request, empty).
 * Agent → object: `head` (JSON, relayHead), `data` (bytes of the answer), `done` (JSON, relayDone: the answer is whole).
 * Both ways: `reset` (JSON, relayReset: the stream is over, and why), `credit` (u32: so many more bytes of `body` or
 * `data` may come), `status` (JSON, stream 0: engineStatus from the object, servingStatus from the agent).
 */
export const FRAME_TYPES = ["open", "body", "end", "head", "data", "done", "reset", "credit", "status"] as const;
export type FrameType = (typeof FRAME_TYPES)[number];

export interface Frame {
  type: FrameType;
  stream: number;
  payload: Uint8Array;
}

/** A message that is no sequence of frames of this version: the peer is not to be understood. */
export class FrameError extends Error {}

export function encodeFrame({ type, stream, payload }: Frame): Uint8Array<ArrayBuffer> {
  if (payload.byteLength > MAX_FRAME_PAYLOAD_BYTES) throw new FrameError(`a frame of ${payload.byteLength} bytes`);
  const bytes = new Uint8Array(FRAME_HEADER_BYTES + payload.byteLength);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, FRAME_VERSION);
  view.setUint8(1, FRAME_TYPES.indexOf(type));
  view.setUint32(2, stream);
  view.setUint32(6, payload.byteLength);
  bytes.set(payload, FRAME_HEADER_BYTES);
  return bytes;
}

/** The frames of one message, in order; payloads are views of it. Throws FrameError at the first that is not whole. */
export function* decodeFrames(message: Uint8Array): Generator<Frame> {
  const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
  for (let at = 0; at < message.byteLength;) {
    if (message.byteLength - at < FRAME_HEADER_BYTES) throw new FrameError("a header is cut");
    if (view.getUint8(at) !== FRAME_VERSION) throw new FrameError(`version ${view.getUint8(at)} is not known`);
    const type = FRAME_TYPES[view.getUint8(at + 1)];
    if (type === undefined) throw new FrameError(`type ${view.getUint8(at + 1)} is not known`);
    const stream = view.getUint32(at + 2);
    const length = view.getUint32(at + 6);
    const begin = at + FRAME_HEADER_BYTES;
    if (length > MAX_FRAME_PAYLOAD_BYTES || begin + length > message.byteLength) {
      throw new FrameError(`a payload of ${length} bytes is cut or too large`);
    }
    yield { type, stream, payload: message.subarray(begin, begin + length) };
    at = begin + length;
  }
}

const NOTHING = new Uint8Array(0);

export function emptyFrame(type: FrameType, stream: number): Frame {
  return { type, stream, payload: NOTHING };
}

/** JSON that is certainly small; a larger text has to be divided by whoever makes it. */
export function jsonFrame(type: FrameType, stream: number, value: unknown): Frame {
  return { type, stream, payload: new TextEncoder().encode(JSON.stringify(value)) };
}

export function creditFrame(stream: number, bytes: number): Frame {
  const payload = new Uint8Array(4);
  new DataView(payload.buffer).setUint32(0, bytes);
  return { type: "credit", stream, payload };
}

export function creditOf({ payload }: Frame): number {
  if (payload.byteLength !== 4) throw new FrameError("a credit is four bytes");
  return new DataView(payload.buffer, payload.byteOffset, 4).getUint32(0);
}

export function jsonOf({ payload }: Frame): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(payload));
  } catch {
    throw new FrameError("a payload is not JSON");
  }
}

/** `bytes` in pieces that a frame can carry. */
export function* pieces(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.byteLength; at += MAX_FRAME_PAYLOAD_BYTES) {
    yield bytes.subarray(at, at + MAX_FRAME_PAYLOAD_BYTES);
  }
}
