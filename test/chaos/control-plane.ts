/** A control plane that can be killed like a machine that loses power, and started again on what it had on disk. */
import { renameSync } from "node:fs";
import path from "node:path";
import { startControlPlane, type ControlPlane } from "../../scripts/control-plane";
import { childrenOf } from "../harness/processes";

export class MortalPlane {
  #plane: ControlPlane;
  #isUp = true;
  #deaths = 0;

  private constructor(
    plane: ControlPlane,
    private readonly stateDir: string,
    private readonly port: number,
  ) {
    this.#plane = plane;
  }

  static async start(stateDir: string, port: number): Promise<MortalPlane> {
    return new MortalPlane(await startControlPlane({ stateDir, port }), stateDir, port);
  }

  get url(): string {
    return this.#plane.url;
  }

  get adminToken(): string {
    return this.#plane.adminToken;
  }

  get isUp(): boolean {
    return this.#isUp;
  }

  /** SIGKILL for wrangler and workerd at once: what was in memory is gone, queued messages included. */
  async kill(): Promise<void> {
    this.#isUp = false;
    const { child, exited } = this.#plane.process;
    for (const wrangler of childrenOf(child.pid ?? 0)) process.kill(-wrangler, "SIGKILL");
    await exited;
    this.#deaths += 1;
    const log = path.join(this.stateDir, "control-plane.log");
    renameSync(log, path.join(this.stateDir, `control-plane-${String(this.#deaths)}.log`));
  }

  async restart(): Promise<void> {
    this.#plane = await startControlPlane({ stateDir: this.stateDir, port: this.port, isMigrated: true });
    this.#isUp = true;
  }

  async stop(): Promise<void> {
    await this.#plane.stop();
  }
}
