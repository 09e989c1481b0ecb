/** What `cloudflare:workers` gives to tests. */
import type { D1Migration } from "cloudflare:test";
import type { Env as WorkerEnv } from "../worker/env";
import type * as worker from "../worker/index";
import type { RelayFixture, StreamFixture } from "./streams/fixture/worker";

declare global {
  namespace Cloudflare {
    interface GlobalProps {
      mainModule: typeof worker;
    }
    interface Env extends WorkerEnv {
      TEST_MIGRATIONS: D1Migration[];
      /** Emissary's OpenAPI document as JSON; empty where the shared folder is not there. */
      TEST_EMISSARY_CONTRACT: string;
      /** Only in the `streams` project. */
      STREAM_FIXTURE: DurableObjectNamespace<StreamFixture>;
      RELAY_FIXTURE: DurableObjectNamespace<RelayFixture>;
    }
  }
}
