/**
 * What of this machine is free. A slot is one task's, but serve tasks share theirs as far as its memory goes. GPUs that
 * are trained on serve nothing, and the other way round; a machine without GPUs trains and serves at once.
 */
import type { Lease, SlotInfo } from "../../protocol";

type Occupant = Pick<Lease, "slot_id" | "spec">;

export class SlotTable {
  private readonly occupants = new Set<Occupant>();

  constructor(private readonly slots: readonly SlotInfo[]) {}

  /** As a claim offers them: of a slot for serving, what is left. */
  free(): SlotInfo[] {
    return this.slots.flatMap((slot) => {
      if (this.isShut(slot)) return [];
      if (slot.serve_bytes === undefined) return [slot];
      const leftBytes = slot.serve_bytes - this.servedBytes(slot);
      return leftBytes > 0 ? [{ ...slot, serve_bytes: leftBytes }] : [];
    });
  }

  occupy(lease: Occupant): void {
    this.occupants.add(lease);
  }

  leave(lease: Occupant): void {
    this.occupants.delete(lease);
  }

  private isShut(slot: SlotInfo): boolean {
    return [...this.occupants].some((lease) => {
      const taken = this.slots.find(({ id }) => id === lease.slot_id);
      if (!taken) return false;
      const isSame = taken.id === slot.id;
      if (isSame) return slot.serve_bytes === undefined;
      return taken.gpus.some((gpu) => slot.gpus.includes(gpu));
    });
  }

  private servedBytes({ id }: SlotInfo): number {
    return [...this.occupants]
      .filter((lease) => lease.slot_id === id)
      .reduce((sum, { spec }) => sum + (spec.serve?.memory_bytes ?? 0), 0);
  }
}
