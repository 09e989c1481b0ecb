/**
 * Writes the JSON Schema of what agent and trainer say to each other, for the Python side, from the zod schemas in
 * protocol/. `--check` writes nothing and fails when the committed file is not what the schemas say now.
 */
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { z } from "zod";
import { trainerConfig, trainerLine } from "../protocol";
import { root } from "./env";

const file = path.join(root, "agent", "trainer", "anneal_trainer", "protocol.schema.json");

const schemas = {
  trainer_config: z.toJSONSchema(trainerConfig, { io: "input" }),
  trainer_line: z.toJSONSchema(trainerLine, { io: "input" }),
};
const text = `${JSON.stringify(schemas, null, 1)}\n`;

const { values } = parseArgs({ options: { check: { type: "boolean", default: false } } });
if (!values.check) {
  writeFileSync(file, text);
} else if (readFileSync(file, "utf8") !== text) {
  console.error(`${path.relative(root, file)} is not what protocol/ says: run npm run protocol-schema`);
  process.exit(1);
}
