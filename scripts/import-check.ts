/** `--root DIR`: the import table of DESIGN §2, by dependency-cruiser; says each violation and fails. */
import { existsSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { z } from "zod";
import { bin, root } from "./env";
import { run } from "./processes";

/** The tool sees no TypeScript file at all when the compiler is not one it knows, and would then pass. */
const MIN_MODULES = 20;
const FOLDERS = ["protocol", "worker", "agent/src", "scripts", "test", "bench", "dashboard"];

const cruiseResult = z.object({
  summary: z.object({
    totalCruised: z.number(),
    violations: z.array(z.object({ from: z.string(), to: z.string(), rule: z.object({ name: z.string() }) })),
  }),
  modules: z.array(z.object({ source: z.string() })),
});

const { values } = parseArgs({ options: { root: { type: "string", default: root } } });
const folders = FOLDERS.filter((folder) => existsSync(path.join(values.root, folder)));
const args = ["--config", ".dependency-cruiser.cjs", "--output-type", "json", ...folders];
const outcome = await run(path.join(bin, "depcruise"), args, { cwd: values.root });
if (!outcome.stdout.startsWith("{")) throw new Error(`dependency-cruiser failed:\n${outcome.stdout}${outcome.stderr}`);
const { summary, modules } = cruiseResult.parse(JSON.parse(outcome.stdout));
const ours = modules.filter((module) => /^(?!.*node_modules).*\.tsx?$/.test(module.source)).length;
for (const { rule, from, to } of summary.violations) console.error(`${rule.name}: ${from} → ${to}`);
if (ours < MIN_MODULES) {
  console.error(`saw only ${String(ours)} of our modules, fewer than ${String(MIN_MODULES)}: the check is blind`);
}
console.log(`${String(ours)} modules, ${String(summary.violations.length)} violations`);
process.exit(summary.violations.length === 0 && ours >= MIN_MODULES ? 0 : 1);
