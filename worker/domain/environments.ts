/**
 * An environment: where an account trains and, later, serves its models, as the Vertesia dialect has it. What its jobs ask
 * for beyond their spec is in `config.anneal` (DESIGN §3).
 */

/** A model as an environment lists it. */
export interface EnvironmentModel {
  id: string;
  name: string;
  provider: string;
  description?: string | undefined;
  version?: string | undefined;
  type?: string | undefined;
  tags?: string[] | undefined;
  owner?: string | undefined;
  status?: string | undefined;
  can_stream?: boolean | undefined;
  is_custom?: boolean | undefined;
  is_multimodal?: boolean | undefined;
  input_modalities?: string[] | undefined;
  output_modalities?: string[] | undefined;
  tool_support?: boolean | undefined;
  environment?: string | undefined;
}

export interface EnvironmentRecord {
  id: string;
  accountId: string;
  name: string;
  /** One of the dialect's providers: a name for people, whoever trains in the end. */
  provider: string;
  description: string | null;
  endpointUrl: string | null;
  defaultModel: string | null;
  /** As they were sent. */
  enabledModels: EnvironmentModel[];
  /** AES-GCM (stores/secret-box.ts); never answered back. */
  apiKeySealed: string | null;
  /** Its first and last characters, for people. */
  apiKeyHint: string | null;
  config: Record<string, unknown>;
  settings: Record<string, unknown> | null;
  /** Empty: every project of the account. */
  allowedProjects: string[];
  createdBy: string;
  updatedBy: string;
  createdAtMs: number;
  updatedAtMs: number;
}

/** What `config.anneal` of an environment, or of a project's configuration, may say of the jobs that run there. */
export interface JobDefaults {
  gpu?: { type: string; count: number };
  provider?: string;
  maxCostUsd?: number;
  maxDurationSeconds?: number;
  hyperparameters?: Record<string, unknown>;
}
