/** `datasets` and `functions`: what jobs are made of. */
import { readFile, stat } from "node:fs/promises";
import path from "node:path";
import type { Command } from "commander";
import { contextOf, NATIVE, query, withPaging } from "./context";
import { saveDownload } from "./download";
import { addDelete } from "./delete";
import { anyList, anything } from "./shapes";
import { unreadable, uploadFile } from "./upload";
import { uploadInPieces } from "./upload-session";

/** Smaller files are soon sent again. */
const IN_PIECES_FROM_BYTES = 32 * 1024 * 1024;

interface Paging {
  limit: string;
  after?: string;
}

export function addDatasets(program: Command): void {
  const datasets = program.command("datasets").description("training data");
  datasets
    .command("upload")
    .description(
      "upload a JSON Lines or CSV file; a bad line is named, and a large file goes on where it was broken off",
    )
    .argument("<file>", "one JSON object a line, or a CSV with a header")
    .option("--name <name>", "the file's name by default")
    .action(async (file: string, options: { name?: string }, command: Command) => {
      const { api, out } = contextOf(command);
      const name = options.name ?? path.basename(file, path.extname(file));
      const { size } = await stat(file).catch(unreadable(file));
      const target = `${NATIVE}/datasets${query({ name, file_name: path.basename(file) })}`;
      out.show(
        size < IN_PIECES_FROM_BYTES ? await uploadFile(api, target, file) : await uploadInPieces(api, file, name),
      );
    });
  withPaging(datasets.command("list")).action(async ({ limit, after }: Paging, command: Command) => {
    const { api, out } = contextOf(command);
    const page = await api.get(`${NATIVE}/datasets${query({ limit, after })}`, anyList);
    out.list(page, ["id", "name", "format", "num_rows", "size_bytes", "created_at"]);
  });
  datasets
    .command("get")
    .argument("<id>", "ds_…")
    .action(async (id: string, _options: object, command: Command) => {
      const { api, out } = contextOf(command);
      out.show(await api.get(`${NATIVE}/datasets/${encodeURIComponent(id)}`, anything));
    });
  datasets
    .command("download")
    .description("the bytes as they came; checks their SHA-256 and goes on where it was broken off")
    .argument("<id>", "ds_…")
    .requiredOption("-o, --output <file>", "where to")
    .action(async (id: string, options: { output: string }, command: Command) => {
      const { api, out } = contextOf(command);
      out.show(await saveDownload(api, `${NATIVE}/datasets/${encodeURIComponent(id)}/download`, options.output));
    });
  addDelete(datasets, "datasets", "ds_…");
}

export function addFunctions(program: Command): void {
  const functions = program.command("functions").description("reward and testing functions");
  functions
    .command("upload")
    .argument("<file>", "a Python file with `def reward(`, or with a testing function")
    .option("--name <name>", "the file's name by default; of a testing function its name in Python")
    .option("--format <format>", "trl (a batch a call), miles (one sample a call) or test (a testing function)", "trl")
    .action(async (file: string, options: { name?: string; format: string }, command: Command) => {
      const { api, out } = contextOf(command);
      const form = new FormData();
      form.set("name", options.name ?? path.basename(file, path.extname(file)));
      form.set("format", options.format);
      form.set("file", new Blob([await readFile(file).catch(unreadable(file))]), path.basename(file));
      out.show(await api.post(`${NATIVE}/functions`, form, anything));
    });
  withPaging(functions.command("list")).action(async ({ limit, after }: Paging, command: Command) => {
    const { api, out } = contextOf(command);
    const page = await api.get(`${NATIVE}/functions${query({ limit, after })}`, anyList);
    out.list(page, ["id", "name", "format", "size_bytes", "created_at"]);
  });
  functions
    .command("get")
    .argument("<id>", "rf_…")
    .action(async (id: string, _options: object, command: Command) => {
      const { api, out } = contextOf(command);
      out.show(await api.get(`${NATIVE}/functions/${encodeURIComponent(id)}`, anything));
    });
  addDelete(functions, "functions", "rf_…");
}
