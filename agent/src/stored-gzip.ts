/**
 * gzip without compression, laid out by rule: a 10-byte header without time or name, stored blocks of 65,535 bytes each
 * behind a 5-byte header, the last one final, CRC-32 and length. The byte at offset o of the input is thus at
 * `10 + o + 5 * (floor(o / 65535) + 1)` of the output, and a file inside the archive can be served alone.
 */
import { Transform, type TransformCallback } from "node:stream";
import { crc32 } from "node:zlib";

const BLOCK_BYTES = 65_535;
const GZIP_HEADER = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff]);

export class StoredGzip extends Transform {
  private readonly block = Buffer.alloc(BLOCK_BYTES);
  private filled = 0;
  private crc = 0;
  private length = 0;

  constructor() {
    super();
    this.push(GZIP_HEADER);
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, callback: TransformCallback): void {
    this.crc = crc32(chunk, this.crc);
    this.length += chunk.length;
    for (let from = 0; from < chunk.length;) {
      // A full block waits until more comes, since the last block is marked.
      if (this.filled === BLOCK_BYTES) this.emitBlock(false);
      const copied = chunk.copy(this.block, this.filled, from);
      this.filled += copied;
      from += copied;
    }
    callback();
  }

  override _flush(callback: TransformCallback): void {
    this.emitBlock(true);
    const trailer = Buffer.alloc(8);
    trailer.writeUInt32LE(this.crc >>> 0, 0);
    trailer.writeUInt32LE(this.length % 2 ** 32, 4);
    this.push(trailer);
    callback();
  }

  private emitBlock(isLast: boolean): void {
    const header = Buffer.alloc(5);
    header.writeUInt8(isLast ? 1 : 0, 0);
    header.writeUInt16LE(this.filled, 1);
    header.writeUInt16LE(~this.filled & 0xffff, 3);
    this.push(Buffer.concat([header, this.block.subarray(0, this.filled)]));
    this.filled = 0;
  }
}
