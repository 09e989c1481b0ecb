/** What the conformance tests of Emissary begin with: an account with a project, and a client that judges every answer. */
import { expect } from "vitest";
import { ask, newAccountClient, type Answer, type WorkerClient } from "../harness/worker-client";
import { hasContract, violations } from "./emissary-contract";

export interface Id {
  id: string;
}

export interface EmissaryError {
  status: number;
  error: string;
  code?: string;
}

export interface Job extends Id {
  name: string;
  status: string;
  progress: number;
  [key: string]: unknown;
}

/** The last of the operation's id in the served document. */
export type OperationId = string;

export class EmissaryClient {
  readonly #key: string;

  constructor(key: string) {
    this.#key = key;
  }

  /** The answer, which must be as the maker's document has it. */
  async call<T = unknown>(operationId: OperationId, path: string, init: RequestInit = {}): Promise<Answer<T>> {
    const answer = await ask<T>(path, { ...init, headers: { "x-api-key": this.#key, ...(init.headers ?? {}) } });
    if (hasContract) {
      expect(
        violations(operationId, answer.status, answer.body),
        `${operationId} ${JSON.stringify(answer.body)}`,
      ).toEqual([]);
    }
    return answer;
  }

  post<T>(operationId: OperationId, path: string, body: unknown): Promise<Answer<T>> {
    const headers = { "content-type": "application/json" };
    return this.call<T>(operationId, path, { method: "POST", headers, body: JSON.stringify(body) });
  }

  async upload<T = Id>(
    path: string,
    content: string,
    fileName: string,
    fields: Record<string, string> = {},
  ): Promise<Answer<T>> {
    const form = new FormData();
    for (const [name, value] of Object.entries(fields)) form.set(name, value);
    form.set("file", new File([content], fileName));
    return this.call<T>("createDataset", path, { method: "POST", body: form });
  }
}

export interface EmissaryProject {
  /** For the other dialects. */
  account: WorkerClient;
  client: EmissaryClient;
  /** `/v1/projects/ms-…` */
  path: string;
  id: string;
}

export async function newProject(account?: WorkerClient): Promise<EmissaryProject> {
  const owner = account ?? (await newAccountClient());
  const client = new EmissaryClient(owner.apiKey);
  const made = await client.post<Id>("createProject", "/v1/projects", { name: "my_project" });
  expect(made.status).toBe(201);
  return { account: owner, client, path: `/v1/projects/${made.body.id}`, id: made.body.id };
}

export const LABELLED = [
  "text,label",
  "the first,pos",
  "the second,neg",
  "the third,neutral",
  "the fourth,pos",
  "",
].join("\n");
export const BINARY = [
  '{"prompt":"a cat","completion":{"is_cat":1}}',
  '{"prompt":"a dog","completion":{"is_cat":0}}',
  '{"prompt":"a cow","completion":{"is_cat":0}}',
  "",
].join("\n");
export const MULTILABEL = [
  '{"prompt":"a","completion":{"x":1,"y":1}}',
  '{"prompt":"b","completion":{"x":0,"y":0}}',
  "",
].join("\n");
export const SCORED = ['{"prompt":"a","completion":0.25}', '{"prompt":"b","completion":0.75}', ""].join("\n");
export const PAIRS = ["text1,text2,score", "a,b,0.5", "a,a,1", ""].join("\n");
export const COMPLETIONS = ['{"prompt":"1+1=","completion":"2"}', '{"prompt":"1+2=","completion":"3"}', ""].join("\n");

export async function newDataset(project: EmissaryProject, content: string, fileName = "rows.jsonl"): Promise<string> {
  const made = await project.client.upload(`${project.path}/datasets`, content, fileName);
  expect(made.status, JSON.stringify(made.body)).toBe(201);
  return made.body.id;
}

export async function newJob(project: EmissaryProject, body: Record<string, unknown>): Promise<Job> {
  const made = await project.client.post<Job>("createTrainingJob", `${project.path}/training-jobs`, body);
  expect(made.status, JSON.stringify(made.body)).toBe(201);
  return made.body;
}
