/** The use-cases of environments, as the edges see them. */
import type { Principal } from "../domain/accounts";
import type { EnvironmentModel, EnvironmentRecord } from "../domain/environments";

export interface EnvironmentFields extends Pick<
  EnvironmentRecord,
  "name" | "provider" | "description" | "endpointUrl" | "defaultModel" | "enabledModels" | "config" | "settings"
> {
  /** As it was sent. */
  apiKey: string;
  /** Bare ids; null: of another form, which is not found. */
  allowedProjects: (string | null)[];
}

export type NewEnvironment = Partial<EnvironmentFields> & Pick<EnvironmentFields, "name" | "provider">;

/** What it leaves out stays as it is. */
export interface EnvironmentChanges {
  fields?: Partial<EnvironmentFields>;
  /** Its keys take the place of those of the configuration; the others stay. */
  config?: Record<string, unknown>;
  enable?: EnvironmentModel;
  disable?: string;
}

export interface EnvironmentServices {
  createEnvironment(principal: Principal, environment: NewEnvironment): Promise<EnvironmentRecord>;
  /** Newest first, to a bound of MAX_ENVIRONMENTS: of the account, or those that the principal's project may use. */
  listEnvironments(principal: Principal, ofAccount: boolean): Promise<EnvironmentRecord[]>;
  updateEnvironment(
    principal: Principal,
    environment: EnvironmentRecord,
    changes: EnvironmentChanges,
  ): Promise<EnvironmentRecord>;
}
