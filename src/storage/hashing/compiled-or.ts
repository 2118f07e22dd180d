// Hashes are computed by WebAssembly where it may be compiled, and by JavaScript elsewhere.

/**
 * What `compile` resolves to; or what `plain` gives, which computes the same in JavaScript, where WebAssembly cannot be
 * compiled: pages whose Content-Security-Policy has no 'wasm-unsafe-eval' forbid it, and some browsers can turn it off.
 */
export async function compiledOr<T>(compile: () => Promise<T>, plain: () => T | Promise<T>): Promise<T> {
  try {
    return await compile();
  } catch {
    return plain();
  }
}
