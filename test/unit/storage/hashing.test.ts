// Hashes, by WebAssembly and by JavaScript: published values, any chunking, and what is used where WebAssembly is forbidden.
import { createHash } from 'node:crypto';
import { createXXHash64 } from 'hash-wasm';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { openSource } from '../../../src/storage/sources/open-source';
import { plainSha256 } from '../../../src/storage/hashing/plain-sha256';
import { createSha256, sha256OfAll } from '../../../src/storage/hashing/sha256';
import { createXxHash64, plainXxHash64 } from '../../../src/storage/hashing/xxhash64';
import { FaultServer } from '../../support/fault-server';
import { samples } from '../../support/effort';
import { expectFailure } from '../../support/expect-failure';
import { environment, MemoryFolder, MemoryLocks } from '../../support/memory-storage';
import { xorshift } from '../../support/random';
import { loadAll, MIB, randomBytes, sha256 } from '../../support/storage-loads';

const ascii = (text: string): Uint8Array => new TextEncoder().encode(text);

describe('SHA-256', () => {
  // FIPS 180-2, appendix B, and the empty message of NIST's test vectors (SHA256ShortMsg.rsp).
  const VECTORS: [message: string, hash: string][] = [
    ['', 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'],
    ['abc', 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'],
    [
      'abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq',
      '248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1',
    ],
    ['a'.repeat(1e6), 'cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0'],
  ];

  it('has the published values', async () => {
    for (const [message, hash] of VECTORS) {
      const bytes = ascii(message);
      for (const hasher of [plainSha256(), await createSha256()]) {
        hasher.update(bytes);
        expect(hasher.digest()).toBe(hash);
      }
      expect(await sha256OfAll(new Uint8Array(bytes))).toBe(hash);
    }
  });

  it('is the same however the bytes come', () => {
    const random = xorshift(7);
    for (let i = 0; i < samples(50); i++) {
      const bytes = randomBytes(Math.floor(random() * 5000), i + 1);
      const hasher = plainSha256();
      for (let at = 0; at < bytes.length;) {
        const end = at + Math.floor(random() * 200);
        hasher.update(bytes.subarray(at, end));
        at = end;
      }
      expect(hasher.digest()).toBe(createHash('sha256').update(bytes).digest('hex'));
    }
  });
});

describe('xxHash64', () => {
  it('has the published values', () => {
    // What `xxhsum -H64` prints for files with these bytes.
    expect(plainXxHash64(new Uint8Array(0))).toBe('ef46db3751d8e999');
    expect(plainXxHash64(ascii('a'))).toBe('d24ec4f1a98c6e5b');
    expect(plainXxHash64(ascii('abc'))).toBe('44bc2cf5ad770999');
  });

  it('is the same by JavaScript as by WebAssembly, whatever the length and the place in memory', async () => {
    const wasm = await createXXHash64();
    const random = xorshift(9);
    const lengths = [...Array(100).keys(), MIB, ...Array.from({ length: samples(50) }, () => random() * 1e4)];
    for (const [i, length] of lengths.entries()) {
      const bytes = randomBytes(Math.floor(length) + 8, i + 1).subarray(i % 8);
      expect(plainXxHash64(bytes), `${bytes.length} bytes`).toBe(wasm.init().update(bytes).digest());
    }
  });

  it('carries between its halves', async () => {
    const wasm = await createXXHash64();
    for (const value of [0, 1, 0x7f, 0x80, 0xff]) {
      const bytes = new Uint8Array(1000).fill(value);
      expect(plainXxHash64(bytes)).toBe(wasm.init().update(bytes).digest());
    }
  });
});

describe('where WebAssembly cannot be compiled', () => {
  const BYTES = randomBytes(3 * MIB + 99, 3);
  const HASH = sha256(BYTES);
  const PATH = '/model.gguf';
  let server: FaultServer;
  beforeEach(async () => {
    server = await FaultServer.start({ [PATH]: { bytes: BYTES, etag: '"one"' } });
    // Node's own fetch compiles WebAssembly too, at its first use.
    await fetch(server.origin);
  });
  afterEach(async () => {
    vi.restoreAllMocks();
    await server.close();
  });

  /** As a Content-Security-Policy without 'wasm-unsafe-eval' does; modules that were compiled before are not run either. */
  const forbid = (): void => {
    const error = new WebAssembly.CompileError('blocked by Content Security Policy');
    vi.spyOn(WebAssembly, 'compile').mockRejectedValue(error);
    vi.spyOn(WebAssembly, 'instantiate').mockRejectedValue(error);
  };

  it('hashes are right all the same', async () => {
    forbid();
    await expect(createXXHash64()).rejects.toThrow('blocked');
    const hasher = await createSha256();
    hasher.update(BYTES);
    expect(hasher.digest()).toBe(HASH);
    expect(await createXxHash64()).toBe(plainXxHash64);
  });

  it('a download is checked and cached, and another page reads the same cache', async () => {
    const around = environment({ folder: new MemoryFolder(), locks: new MemoryLocks() });
    const open = (sha256: string) => openSource(server.origin + PATH, { sha256 }, around);
    forbid();
    await expectFailure(
      open('0'.repeat(64)).then((model) => loadAll(model)),
      'corrupt-file',
    );
    const model = await open(HASH);
    expect(await loadAll(model)).toBe(HASH);
    expect(model.info).toEqual({ cached: true });
    const { bytesSent } = server;
    vi.restoreAllMocks();
    expect(await createXxHash64()).not.toBe(plainXxHash64);
    const again = await open(HASH);
    expect(await loadAll(again)).toBe(HASH);
    expect(again.info).toEqual({ cached: true });
    expect(server.bytesSent).toBe(bytesSent);
  });
});
