// Compiles what users write (test/package) against the packed types, in every version of TypeScript and way to resolve modules that
// is supported.

import { copyFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { execPath } from 'node:process';
import { ROOT } from './packed.mjs';

/** Packages that the code of users, or the types of Ternion, import. */
export const COMPILED_WITH = ['@ai-sdk/provider', '@webgpu/types', 'react', '@types/react', 'csstype', 'zod'];

const VERSIONS = ['typescript-5.9', 'typescript', 'typescript-7'];
const LIB = ['es2022', 'dom', 'dom.iterable', 'dom.asynciterable'];
const PROJECTS = [
  // As `npm create vite` makes them: under TypeScript 5 streams of the browser are not iterable there, and answers are.
  { module: 'esnext', moduleResolution: 'bundler', types: [], lib: ['es2022', 'dom', 'dom.iterable'] },
  { module: 'node16', moduleResolution: 'node16', types: [] },
  { module: 'nodenext', moduleResolution: 'nodenext', types: ['@webgpu/types'] },
];

/** Compiles in the folder of `installPacked`. The errors, each with what it was compiled with; nothing if all is well. */
export function compileAll(folder) {
  for (const file of ['types.ts', 'webgpu-types.ts'])
    copyFileSync(join(ROOT, 'test/package', file), join(folder, file));
  return VERSIONS.flatMap((name) => PROJECTS.flatMap((project) => compile(folder, name, project)));
}

function compile(folder, name, project) {
  const home = join(ROOT, 'node_modules', name);
  if (!existsSync(home)) throw new Error(`${name} is not installed.`);
  const { version } = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8'));
  const hasWebGpuTypes = project.types.length > 0;
  const hasOwn = Number(version.split('.')[0]) >= 6;
  const compilerOptions = {
    target: 'es2022',
    lib: LIB,
    ...project,
    strict: true,
    exactOptionalPropertyTypes: true,
    noEmit: true,
    skipLibCheck: false,
  };
  const files = hasWebGpuTypes || hasOwn ? ['types.ts', 'webgpu-types.ts'] : ['types.ts'];
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files }));
  const { stdout, stderr } = spawnSync(execPath, [join(home, 'bin/tsc'), '--pretty', 'false'], {
    cwd: folder,
    encoding: 'utf8',
  });
  const what = `TypeScript ${version}, ${project.moduleResolution}${hasWebGpuTypes ? ', @webgpu/types' : ''}`;
  const lines = `${stdout}${stderr}`.split('\n').filter((line) => line.trim() !== '');
  const errors = lines.filter((line) => !(hasOwn && hasWebGpuTypes && isOfOthers(line)));
  console.log(`${what}: ${errors.length === 0 ? 'compiles' : `${errors.length} errors`}`);
  return errors.map((line) => `${what}: ${line}`);
}

/** From version 6 on TypeScript's own types of WebGPU and `@webgpu/types` contradict each other: neither is ours. */
function isOfOthers(line) {
  return /^\s|lib\.dom\.d\.ts|@webgpu[\\/]types/.test(line);
}
