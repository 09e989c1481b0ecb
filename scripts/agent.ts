/** `npm run agent -- --url U --token T …`: sets Python up, then becomes the agent, as the same process. */
import path from "node:path";
import { root } from "./env";
import { preparePython } from "./python-env";

const asked = process.argv.slice(2);
const isQuestion = asked.includes("--help") || asked.includes("--version");
if (!isQuestion) await preparePython();
const main = path.join(root, "agent", "src", "main.ts");
const argv = [...process.execArgv, main, ...asked];
process.removeAllListeners("warning"); // execve is marked experimental
process.execve?.(process.execPath, [process.execPath, ...argv], process.env);
