// The hash by which what was remembered of shaders is known to be of these shaders.
import { createHash } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { expect, it } from 'vitest';
import { shadersHash } from '../../src/gpu/shader';
import { shaderTemplate } from '../../tools/vite/shader-template';

const root = new URL('../../', import.meta.url);

it('is of the template of every shader, and of the version of the package', async () => {
  const read = (path: string): string => readFileSync(new URL(path, root), 'utf8');
  const paths = readdirSync(new URL('shaders/', root), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.wgsl'))
    .map((path) => `shaders/${path.replaceAll('\\', '/')}`)
    .sort();
  const templates = Object.fromEntries(
    paths.map((path) => [
      path.slice('shaders/'.length, -'.wgsl'.length),
      shaderTemplate(read(path), { compact: false }),
    ]),
  );
  const { version } = JSON.parse(read('package.json')) as { version: string };
  const all = JSON.stringify([{ '../../package.json': version }, templates]);
  expect(await shadersHash()).toBe(createHash('sha256').update(all).digest('hex'));
});
