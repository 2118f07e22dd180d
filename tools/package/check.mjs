// `npm run check:package`: packs what was built and looks at the tarball as a user's tools would: publint, arethetypeswrong, and
// TypeScript in several versions.

import { rmSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import process, { execPath } from 'node:process';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { COMPILED_WITH, compileAll } from './compile.mjs';
import { installPacked, ROOT } from './packed.mjs';

async function lint(folder) {
  const pkgDir = join(folder, 'node_modules/ternion');
  const { messages, pkg } = await publint({ pkgDir, pack: false, strict: true });
  console.log(`publint: ${messages.length === 0 ? 'nothing to say' : `${messages.length} messages`}`);
  return messages.map((message) => `publint: ${formatMessage(message, pkg, { color: false })}`);
}

/** The package is ES modules only, on purpose: what arethetypeswrong says of CommonJS is passed over. */
function lookAtTypes(tarball) {
  const attw = join(ROOT, 'node_modules/@arethetypeswrong/cli/dist/index.js');
  const words = [attw, tarball, '--profile', 'esm-only', '--no-color', '--no-emoji'];
  const { status, stdout, stderr } = spawnSync(execPath, words, { encoding: 'utf8' });
  console.log(`arethetypeswrong: ${status === 0 ? 'no problems' : 'problems'}`);
  return status === 0 ? [] : [`arethetypeswrong:\n${stdout}${stderr}`];
}

const { folder, tarball } = installPacked(COMPILED_WITH);
try {
  const errors = [...(await lint(folder)), ...lookAtTypes(tarball), ...compileAll(folder)];
  for (const error of errors) console.error(error);
  if (errors.length > 0) process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
