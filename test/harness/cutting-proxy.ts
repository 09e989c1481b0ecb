/** A TCP proxy before the worker that cuts the connection when so many bytes have gone up in all: a line that breaks. */
import net, { type AddressInfo } from "node:net";

export interface CuttingProxy {
  url: string;
  /** How often it has cut. */
  readonly cuts: number;
  close(): Promise<void>;
}

export async function cuttingProxy(target: string, cutAfterBytes: number[]): Promise<CuttingProxy> {
  const { hostname, port } = new URL(target);
  const left = [...cutAfterBytes];
  const open = new Set<net.Socket>();
  let sentBytes = 0;
  let cuts = 0;
  const server = net.createServer((client) => {
    const upstream = net.connect(Number(port), hostname);
    const pair = [client, upstream];
    const end = (): void => {
      for (const socket of pair) socket.destroy();
    };
    for (const socket of pair) {
      open.add(socket);
      // Whatever ends the one ends the other.
      socket.on("error", end).on("close", () => {
        open.delete(socket);
        end();
      });
    }
    client.on("data", (bytes: Buffer) => {
      sentBytes += bytes.length;
      if (sentBytes < (left[0] ?? Infinity)) return;
      left.shift();
      cuts += 1;
      end();
    });
    client.pipe(upstream).pipe(client);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`,
    get cuts() {
      return cuts;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of open) socket.destroy();
      }),
  };
}
