// The package as `npm pack` makes it of what was built, unpacked into a clean folder as npm would install it.

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder of package.json. */
export const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../..');

/**
 * A folder with a package.json and Ternion in its node_modules, which whoever asked for it removes: its path, and that of the
 * tarball beside it. `packages` of the repository are there too, by their names. `source` is the folder that is packed, with what
 * was built in `dist`; default: the repository.
 */
export function installPacked(packages = [], source = ROOT) {
  if (!existsSync(join(source, 'dist/index.js')))
    throw new Error('There is no package to pack: npm run build.');
  const folder = mkdtempSync(join(tmpdir(), 'ternion-package-'));
  const words = ['pack', '--ignore-scripts', '--json', '--pack-destination', folder];
  const [{ filename }] = JSON.parse(
    execFileSync('npm', words, { cwd: source, encoding: 'utf8', shell: isWindows() }),
  );
  const tarball = join(folder, filename);
  const target = join(folder, 'node_modules/ternion');
  mkdirSync(target, { recursive: true });
  execFileSync('tar', ['-xzf', tarball, '-C', target, '--strip-components=1']);
  for (const name of packages) link(name, folder);
  writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }\n');
  return { folder, tarball };
}

function link(name, folder) {
  const path = join(folder, 'node_modules', name);
  mkdirSync(dirname(path), { recursive: true });
  symlinkSync(join(ROOT, 'node_modules', name), path, 'junction');
}

function isWindows() {
  return process.platform === 'win32';
}
