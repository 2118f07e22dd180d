// Hashes that WebAssembly computes.

export { createSHA256, createXXHash64 } from 'hash-wasm';
