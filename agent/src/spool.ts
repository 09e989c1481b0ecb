/**
 * Reports of one lane on disk, a file each, named by number: `data-000000001.json`. A report's content never changes
 * once it has its number, so that sending it again is the same report. The newest acknowledged ones are kept for a
 * worker that asks back; older ones are deleted. Loss accepted: an agent that dies takes its spool with it, since its
 * lease is then another's and nothing of it would be taken any more.
 */
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** A worker asks back only for what it lost between answering and storing, which is one report; this is ample. */
const KEPT_ACKNOWLEDGED = 16;

export class Spool {
  private readonly sizes = new Map<number, number>();
  private readonly writes = new Map<number, Promise<void>>();
  private bytes = 0;

  constructor(
    private readonly dir: string,
    private readonly lane: string,
  ) {}

  /** Bytes on disk. */
  get size(): number {
    return this.bytes;
  }

  get oldest(): number | null {
    return this.sizes.keys().next().value ?? null;
  }

  holds(number: number): boolean {
    return this.sizes.has(number);
  }

  put(number: number, items: string): Promise<void> {
    const bytes = Buffer.byteLength(items);
    this.sizes.set(number, bytes);
    this.bytes += bytes;
    const write = writeFile(this.path(number), items);
    this.writes.set(number, write);
    return write.finally(() => this.writes.delete(number));
  }

  async get(number: number): Promise<string> {
    await this.writes.get(number);
    return readFile(this.path(number), "utf8");
  }

  async acknowledged(number: number): Promise<void> {
    await this.dropBelow(number - KEPT_ACKNOWLEDGED + 1);
  }

  async dropBelow(number: number): Promise<void> {
    const old = [...this.sizes.keys()].filter((held) => held < number);
    for (const held of old) {
      this.bytes -= this.sizes.get(held) ?? 0;
      this.sizes.delete(held);
      await rm(this.path(held), { force: true });
    }
  }

  private path(number: number): string {
    return join(this.dir, `${this.lane}-${String(number).padStart(9, "0")}.json`);
  }
}
