/** A control plane that can be killed like a machine that loses power, and started again on what it had on disk. */
import { renameSync } from "node:fs";
import path from "node:path";
import { startControlPlane, type ControlPlane, type ControlPlaneOptions } from "../../scripts/control-plane";
import { childrenOf } from "../harness/processes";

export class MortalPlane {
  #plane: ControlPlane;
  #isUp = true;
  #deaths = 0;

  private constructor(
    plane: ControlPlane,
    private readonly options: ControlPlaneOptions,
  ) {
    this.#plane = plane;
  }

  static async start(options: ControlPlaneOptions): Promise<MortalPlane> {
    return new MortalPlane(await startControlPlane(options), options);
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

  /** How often it was killed. */
  get deaths(): number {
    return this.#deaths;
  }

  /** SIGKILL for wrangler and workerd at once: what was in memory is gone, queued messages included. */
  async kill(): Promise<void> {
    this.#isUp = false;
    const { child, exited } = this.#plane.process;
    for (const wrangler of childrenOf(child.pid ?? 0)) process.kill(-wrangler, "SIGKILL");
    this.#deaths += 1;
    await exited;
    const { stateDir } = this.options;
    const log = path.join(stateDir, "control-plane.log");
    renameSync(log, path.join(stateDir, `control-plane-${String(this.#deaths)}.log`));
  }

  async restart(): Promise<void> {
    this.#plane = await startControlPlane({ ...this.options, isMigrated: true });
    this.#isUp = true;
  }

  async stop(): Promise<void> {
    await this.#plane.stop();
  }
}
