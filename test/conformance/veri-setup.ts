/** What the conformance tests of Veri begin with: an account with data, and its jobs. */
import { newAccountClient, type WorkerClient } from "../harness/worker-client";
import { CREATE_REQUEST } from "./veri-examples";

export const ROWS = '{"prompt":"1+1=","answer":"2"}\n{"prompt":"1+2=","answer":"3"}\n';
export const REWARD = "def reward(completions, answer=None, **kwargs):\n    return [0.0] * len(completions)\n";

export interface VeriAccount {
  client: WorkerClient;
  datasetId: string;
  rewardFunctionId: string;
}

export interface Id {
  id: string;
}

export interface VeriError {
  error: { type: string; code: string | null; message: string; param: string | null };
}

export async function newVeriAccount(): Promise<VeriAccount> {
  const client = await newAccountClient();
  const dataset = await client.upload<Id>("/v1/datasets", { fields: { name: "math" }, file: ROWS });
  const reward = await client.upload<Id>("/v1/reward_functions", { fields: { name: "exact" }, file: REWARD });
  return { client, datasetId: dataset.body.id, rewardFunctionId: reward.body.id };
}

export function createRequest(account: VeriAccount, changes: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    ...CREATE_REQUEST,
    dataset_id: account.datasetId,
    reward_function_id: account.rewardFunctionId,
    ...changes,
  };
}

export async function newVeriJob(account: VeriAccount, changes: Record<string, unknown> = {}): Promise<string> {
  const answer = await account.client.post<Id>("/v1/training_jobs", createRequest(account, changes));
  if (answer.status !== 200) throw new Error(JSON.stringify(answer.body));
  return answer.body.id;
}
