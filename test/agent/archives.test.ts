import { execFileSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { pack, type Header } from "tar-stream";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { hashFiles } from "../../agent/src/hashing";
import { listFolder } from "../../agent/src/list-folder";
import { packArchive } from "../../agent/src/pack-archive";
import { unpackArchive } from "../../agent/src/unpack-archive";

const { signal } = new AbortController();
const sha256 = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex");
let dir = "";
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "anneal-archive-"));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

function writeModel(name: string, files: Record<string, Buffer>): string {
  const folder = join(dir, name);
  for (const [path, bytes] of Object.entries(files)) {
    mkdirSync(join(folder, path, ".."), { recursive: true });
    writeFileSync(join(folder, path), bytes);
  }
  return folder;
}

async function packed(folder: string) {
  const path = `${folder}.tar.gz`;
  const members = await packArchive(await listFolder(folder), path, signal);
  return { path, members, bytes: readFileSync(path) };
}

const MODEL = {
  "model.safetensors": randomBytes(300_001),
  "config.json": Buffer.from("{}"),
  "tokenizer.json": randomBytes(65_535),
  "empty.txt": Buffer.alloc(0),
  "sub/extra.bin": randomBytes(512),
};

describe("packArchive", () => {
  it("gives the same bytes for the same files, whatever their times, modes and order", async () => {
    const first = await packed(writeModel("one", MODEL));
    const other = writeModel("two", Object.fromEntries(Object.entries(MODEL).reverse()));
    utimesSync(join(other, "config.json"), 1, 1);
    execFileSync("chmod", ["755", join(other, "config.json")]);
    const second = await packed(other);
    expect(sha256(second.bytes)).toBe(sha256(first.bytes));
  });

  it("puts each member's bytes where the arithmetic says, so that a file can be read from the middle", async () => {
    const { members, bytes } = await packed(writeModel("one", MODEL));
    expect(members.map(({ path }) => path)).toEqual(Object.keys(MODEL).sort());
    const tar = gunzipSync(bytes);
    const inFile = (offset: number): number => 10 + offset + 5 * (Math.floor(offset / 65_535) + 1);
    for (const { path, tar_offset: from, size } of members) {
      const expected = MODEL[path as keyof typeof MODEL];
      expect(tar.subarray(from, from + size).equals(expected)).toBe(true);
      const read = Buffer.from(Array.from({ length: size }, (_, index) => bytes[inFile(from + index)] ?? 0));
      expect(read.equals(expected)).toBe(true);
    }
  });

  it("keeps the rule where the tar ends exactly at a block's end", async () => {
    // 512 * 65,535 bytes of tar are 512 full blocks: header, data, and two empty blocks at the end.
    const size = 512 * 65_535 - 512 - 1024;
    const { bytes } = await packed(writeModel("one", { a: Buffer.alloc(size, 7) }));
    expect(bytes.length).toBe(10 + 512 * 65_540 + 8);
    expect(gunzipSync(bytes).length).toBe(512 * 65_535);
  });

  it("is an archive that Python opens", async () => {
    const { path } = await packed(writeModel("one", MODEL));
    const script = `
import hashlib, json, sys, tarfile
with tarfile.open(sys.argv[1], "r:gz") as archive:
    print(json.dumps({m.name: [m.isfile(), m.mtime, oct(m.mode), hashlib.sha256(archive.extractfile(m).read()).hexdigest()] for m in archive}))
`;
    const python = process.env["ANNEAL_PYTHON"] ?? "python3";
    const seen = JSON.parse(execFileSync(python, ["-c", script, path], { encoding: "utf8" })) as unknown;
    const expected = Object.entries(MODEL).map(([name, bytes]) => [name, [true, 0, "0o644", sha256(bytes)]]);
    expect(seen).toEqual(Object.fromEntries(expected));
  });

  it("refuses links in the folder, and names that would need extension headers", async () => {
    const linked = writeModel("linked", { a: Buffer.from("a") });
    symlinkSync("/etc/passwd", join(linked, "b"));
    await expect(packed(linked)).rejects.toThrow("not a regular file");
    await expect(packed(writeModel("odd", { ["n".repeat(101)]: Buffer.from("a") }))).rejects.toThrow("no name");
  });
});

describe("hashFiles", () => {
  it("hashes files whole and in parts, in one pass each", async () => {
    const folder = writeModel("one", MODEL);
    const path = join(folder, "model.safetensors");
    const empty = join(folder, "empty.txt");
    const [big, none] = await hashFiles(
      [
        { path, partBytes: [200_000, 100_001] },
        { path: empty, partBytes: [0] },
      ],
      signal,
    );
    const md5 = (bytes: Buffer): string => createHash("md5").update(bytes).digest("hex");
    const bytes = MODEL["model.safetensors"];
    expect(big).toEqual({
      sha256: sha256(bytes),
      partMd5s: [md5(bytes.subarray(0, 200_000)), md5(bytes.subarray(200_000))],
    });
    expect(none).toEqual({ sha256: sha256(Buffer.alloc(0)), partMd5s: [md5(Buffer.alloc(0))] });
    await expect(hashFiles([{ path, partBytes: [300_002] }], signal)).rejects.toThrow("shorter");
  });
});

describe("unpackArchive", () => {
  async function archiveOf(entries: (Partial<Header> & { name: string; data?: Buffer })[]): Promise<string> {
    const tar = pack();
    for (const { data = Buffer.from("x"), ...header } of entries) {
      if (header.type === undefined || header.type === "file") tar.entry(header, data);
      else tar.entry(header);
    }
    tar.finalize();
    const chunks: Buffer[] = [];
    for await (const chunk of tar) chunks.push(Buffer.from(chunk as Uint8Array));
    const path = join(dir, "made.tar.gz");
    writeFileSync(path, gzipSync(Buffer.concat(chunks)));
    return path;
  }

  it("gives back what packArchive took", async () => {
    const { path } = await packed(writeModel("one", MODEL));
    const out = join(dir, "out");
    await unpackArchive(path, out, signal);
    for (const [name, bytes] of Object.entries(MODEL)) expect(readFileSync(join(out, name)).equals(bytes)).toBe(true);
  });

  it.each([
    ["a way out", [{ name: "../evil" }], "unsafe name"],
    ["a way out in the middle", [{ name: "a/../../evil" }], "unsafe name"],
    ["an absolute path", [{ name: "/tmp/evil" }], "unsafe name"],
    ["a symbolic link", [{ name: "a", type: "symlink" as const, linkname: "/etc/passwd" }], "symlink"],
    ["a hard link", [{ name: "a", type: "link" as const, linkname: "/etc/passwd" }], "link"],
    ["a device", [{ name: "a", type: "character-device" as const }], "character-device"],
    ["the same name twice", [{ name: "a" }, { name: "a" }], "twice"],
    ["nothing", [], "no file"],
    ["a bomb", [{ name: "a", data: Buffer.alloc(32 * 1024 * 1024) }], "unpacks to more"],
  ])("refuses %s", async (_name, entries, message) => {
    const path = await archiveOf(entries);
    await expect(unpackArchive(path, join(dir, "out"), signal)).rejects.toThrow(message);
    expect(readdirSync(dir).sort()).toEqual(["made.tar.gz", "out"]);
  });

  it("refuses an archive that is cut off, and one that is no archive", async () => {
    const { path, bytes } = await packed(writeModel("one", MODEL));
    writeFileSync(path, bytes.subarray(0, 200_000));
    await expect(unpackArchive(path, join(dir, "out"), signal)).rejects.toThrow();
    writeFileSync(path, "no archive at all");
    await expect(unpackArchive(path, join(dir, "out2"), signal)).rejects.toThrow();
  });
});
