import { DomainError } from "../../../domain/errors";
import { MAX_ROWS_BYTES } from "../../../http/body-limit";
import { defineRoute } from "../../../http/define-route";
import { withRawUpload } from "../../../http/raw-upload";
import { importedRuns } from "../run-schema";

const MEDIA_TYPES = ["application/x-ndjson", "application/ndjson", "application/jsonl"];

export const importRunsRoute = defineRoute({
  operationId: "vertesia.importRuns",
  method: "post",
  path: "/api/v1/runs/import",
  summary: "Import runs",
  description:
    "JSON Lines (`application/x-ndjson`): a run a line, with the names that a retrieved run has. A wrong row is named by its " +
    "line, and then none of the rows is kept.",
  tags: ["Runs"],
  scope: "write",
  bytes: true,
  answer: { description: "All of them are kept.", schema: importedRuns },
  errors: ["invalid_request", "payload_too_large", "unsupported_media_type"],
  handler: async ({ services, principal, request }) => {
    const [mediaType = ""] = (request.headers.get("content-type") ?? "").toLowerCase().split(";");
    if (!MEDIA_TYPES.includes(mediaType.trim())) {
      throw new DomainError("unsupported_media_type", `runs are imported as ${MEDIA_TYPES[0] ?? ""}`);
    }
    return withRawUpload(request, MAX_ROWS_BYTES, async (chunks) => {
      const { count, ids } = await services.importRuns(principal, chunks);
      return { imported: count, runs: ids };
    });
  },
});
