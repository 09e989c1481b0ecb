/**
 * A segment: frames that follow each other, as one file in R2. Each frame is two lines, its columns as a JSON object and
 * its body as it was. Lines are gathered into blocks, so that a replay reads a part of the file. Pure.
 */
import { MAX_FRAME_BYTES, type FrameRow } from "./frames";

/** Where a block lies in its file, and the first id in it. */
export interface Block {
  first: number;
  offset: number;
  bytes: number;
}

/** A block is closed when it has this many bytes; one frame more may lie over it. */
const BLOCK_BYTES = MAX_FRAME_BYTES;

export function encodeSegment(frames: readonly FrameRow[]): { bytes: Uint8Array; blocks: Block[] } {
  const encoder = new TextEncoder();
  const parts: Uint8Array[] = [];
  const blocks: Block[] = [];
  let offset = 0;
  for (const { id, n, kind, attempt, ts, body } of frames) {
    const part = encoder.encode(`${JSON.stringify({ id, n, kind, attempt, ts })}\n${body}\n`);
    const open = blocks.at(-1);
    if (open && open.bytes < BLOCK_BYTES) open.bytes += part.byteLength;
    else blocks.push({ first: id, offset, bytes: part.byteLength });
    parts.push(part);
    offset += part.byteLength;
  }
  return { bytes: joined(parts, offset), blocks };
}

export function decodeBlock(bytes: Uint8Array): FrameRow[] {
  const lines = new TextDecoder().decode(bytes).split("\n");
  const frames: FrameRow[] = [];
  for (let at = 0; at + 1 < lines.length; at += 2) {
    frames.push({ ...(JSON.parse(lines[at] ?? "") as Omit<FrameRow, "body">), body: lines[at + 1] ?? "" });
  }
  return frames;
}

/** Blocks as the object keeps them, one array of three numbers for each. */
export function blocksToText(blocks: readonly Block[]): string {
  return JSON.stringify(blocks.map((block) => [block.first, block.offset, block.bytes]));
}

export function blocksFromText(text: string): Block[] {
  const rows = JSON.parse(text) as [number, number, number][];
  return rows.map(([first, offset, bytes]) => ({ first, offset, bytes }));
}

function joined(parts: readonly Uint8Array[], bytes: number): Uint8Array {
  const whole = new Uint8Array(bytes);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.byteLength;
  }
  return whole;
}
