/** What the tests of the Training Module begin with: an account with a session, and its files. */
import { ask, newAccountClient, type Answer, type WorkerClient } from "../harness/worker-client";

export interface Status {
  status: string;
  message: string;
  import_status: string;
  key?: string;
  config?: Record<string, unknown>;
}

export interface Refusal {
  detail: string | { loc: (string | number)[]; msg: string; type: string }[];
}

export const ROWS = '{"text":"good","label":"yes"}\n{"text":"bad","label":"no"}\n';
export const DATA = { train_file: ROWS, test_file: ROWS };

export interface Session {
  client: WorkerClient;
  key: string;
}

export async function started(client?: WorkerClient): Promise<Session> {
  const caller = client ?? (await newAccountClient());
  const answer = await caller.get<Status>("/start_session?force_restart=1");
  if (answer.body.key === undefined) throw new Error(JSON.stringify(answer.body));
  return { client: caller, key: answer.body.key };
}

/** What a form with these files, in their order, is answered. */
export function uploaded<T = Status>(session: Session, files: Record<string, string>): Promise<Answer<T>> {
  const form = new FormData();
  for (const [field, text] of Object.entries(files)) form.set(field, new File([text], "rows.jsonl"));
  const headers = { authorization: `Bearer ${session.client.apiKey}` };
  return ask<T>(`/upload_dataset/${session.key}`, { method: "POST", headers, body: form });
}

/** A session with data, its parameters set. */
export async function configured(
  config: Record<string, unknown>,
  { client, files = DATA }: { client?: WorkerClient; files?: Record<string, string> } = {},
): Promise<Session> {
  const session = await started(client);
  const answers = [
    await uploaded(session, files),
    await session.client.post<Status>(`/parameters/${session.key}`, { task_type: "classification", ...config }),
  ];
  const refused = answers.find(({ status }) => status !== 200);
  if (refused) throw new Error(JSON.stringify(refused.body));
  return session;
}

export const get = <T = Status>({ client, key }: Session, path: string): Promise<Answer<T>> =>
  client.get<T>(path.replace("KEY", key));
export const post = <T = Status>({ client, key }: Session, path: string, body?: unknown): Promise<Answer<T>> =>
  client.post<T>(path.replace("KEY", key), body);
