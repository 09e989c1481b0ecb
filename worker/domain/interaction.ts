/** A prompt that a client brings, to be run on a model that is served. */
import type { PromptSegment, RunBody } from "./runs";

export interface Interaction {
  name: string;
  environmentId: string | null;
  /** null: the environment's own. */
  model: string | null;
  prompt: PromptSegment[];
  /** OpenAI's names. */
  options: Record<string, unknown>;
  tags: string[];
  /** Kept with the run as they came. */
  parameters: unknown;
  workflow: RunBody["workflow"];
}
