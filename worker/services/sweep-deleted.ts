/**
 * Each minute, a bounded look at what people have deleted: first the bytes go, then the rows, so that what is left after a
 * crash is still named. A job with many files takes several rounds.
 */
import type { DeletionStore, Marked } from "../domain/deletion-ports";
import type { BlobStore, Clock, JobDoors } from "../domain/ports";
import { attempted } from "./attempted";

/** Of each kind, a minute. */
const MAX_SWEPT = 20;

export interface SweepDeletedPorts {
  deletions: DeletionStore;
  blobs: BlobStore;
  doors: JobDoors;
  clock: Clock;
}

export async function sweepDeleted(ports: SweepDeletedPorts): Promise<void> {
  for (const gone of await ports.deletions.marked(MAX_SWEPT)) {
    await attempted(`${gone.kind} ${gone.id}`, drop(ports, gone));
  }
}

async function drop(ports: SweepDeletedPorts, gone: Marked): Promise<void> {
  const { deletions, blobs, clock } = ports;
  if (gone.kind === "dataset" || gone.kind === "function") await blobs.delete([gone.r2Key]);
  if (gone.kind === "job" && !(await dropJobBytes(ports, gone.id))) return;
  await deletions.erase(gone, clock.nowMs());
}

/** False while files are left. The object goes first: what it still wants to write it cannot write afterwards. */
async function dropJobBytes({ blobs, doors }: SweepDeletedPorts, id: string): Promise<boolean> {
  await doors.of(id).erase();
  for (const prefix of [`ckpt/${id}/`, `streams/${id}/`]) {
    if (!(await blobs.deleteSome(prefix))) return false;
  }
  await blobs.delete([`specs/${id}.json`]);
  return true;
}
