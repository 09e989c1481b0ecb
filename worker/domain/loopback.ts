/** Names of this machine itself: those that no request from elsewhere can come to. */

/** An address or a name, without a port. */
export function isLoopback(host: string): boolean {
  const name = host.toLowerCase().replace(/^\[(.*)\]$/, "$1");
  return name === "localhost" || name === "::1" || /^(::ffff:)?127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(name);
}

/** As a `Host` header has it: perhaps with a port. */
export function isLoopbackHost(host: string): boolean {
  return isLoopback(host.replace(/:\d{1,5}$/, ""));
}
