// The one mechanism for WGSL variants and shared pieces: imports, conditions, constants, and bounded unrolling. Shaders are
// WESL (https://wesl-lang.dev); all that needs its grammar is done when the package is built (tools/vite/shaders.ts).

import { hexOf } from '../storage/hashing/hex';
import {
  expandShader,
  type ShaderConditions,
  type ShaderConstants,
  type ShaderTemplate,
} from './shader-expansion';

const files: Record<string, ShaderTemplate> = import.meta.glob('../../shaders/**/*.wgsl', {
  query: '?template',
  import: 'default',
  eager: true,
});
/** Of this package, for the code around the shaders: by the name of the file that says it. */
const version: Record<string, string> = import.meta.glob('../../package.json', {
  import: 'version',
  eager: true,
});

/** By the path below `shaders`, such as `embed` and `lib/dot`. */
const templates = Object.fromEntries(
  Object.entries(files).map(([path, template]) => [
    path.slice('../../shaders/'.length, -'.wgsl'.length),
    template,
  ]),
);

/** The same as long as no shader has changed: SHA-256 of all of them, and of the version of this package, in hexadecimal. */
export async function shadersHash(): Promise<string> {
  const text = JSON.stringify([version, templates]);
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text));
  return hexOf(new Uint8Array(digest));
}

/**
 * The text of `shaders/<name>.wgsl` as WGSL, with what it needs of `shaders/lib/`. Conditions that are not given are not set.
 *
 * Beyond WESL a shader may say `@unroll(i, N) { … }`, where N is a number or a constant: the block is repeated without
 * braces, `$i` being 0 to N-1 and `$(2*i+j)`, with indices of blocks around it too, what it says. Named scalars made this way
 * stay in registers, where an array indexed at run time would not (naga and SwiftShader do not unroll loops).
 *
 * @throws TernionError `internal` if there is no such shader, or a constant is missing
 */
export function shaderText(name: string, constants: ShaderConstants, conditions: ShaderConditions): string {
  return expandShader(templates, name, constants, conditions);
}
