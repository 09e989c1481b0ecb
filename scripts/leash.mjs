/**
 * `node scripts/leash.mjs <grace ms> <command> [args]`: runs a command that ends when its starter does, however that ends.
 * The starter holds the other end of stdin; at end-of-file, or on SIGTERM or SIGINT, the command gets SIGTERM, and after
 * the grace period its whole process group gets SIGKILL. (workerd drains open SSE streams for minutes, so it needs that.)
 * Plain JavaScript, because it starts as often as a child does. Accepted loss: a SIGKILL of the leash itself.
 */
import { spawn } from "node:child_process";

const [graceMs, command, ...args] = process.argv.slice(2);
const child = spawn(command, args, { stdio: ["ignore", "inherit", "inherit"], detached: true });

function killGroup(signal) {
  try {
    process.kill(-child.pid, signal);
  } catch (error) {
    if (error.code !== "ESRCH") throw error;
  }
}

let stopping = false;
function stop() {
  if (stopping) return;
  stopping = true;
  child.kill("SIGTERM");
  setTimeout(() => killGroup("SIGKILL"), Number(graceMs));
}

process.stdin.resume();
process.stdin.on("end", stop);
process.stdin.on("error", stop);
process.on("SIGTERM", stop);
process.on("SIGINT", stop);
child.on("error", (error) => {
  console.error(`cannot start ${command}: ${error.message}`);
  process.exit(127);
});
child.on("exit", (code) => {
  killGroup("SIGKILL"); // what the command itself left behind
  process.exit(code ?? (stopping ? 0 : 1));
});
