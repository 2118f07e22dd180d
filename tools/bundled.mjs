// Runs a TypeScript program of this repository in Node: chooses the Vulkan driver, bundles the program with its shaders,
// and starts it.
import { spawn } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { env, execPath, exit, pid } from 'node:process';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';
import { availableDrivers, driverManifest } from '../test/support/machine.mjs';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');

/** Takes `--driver NAME` out of the arguments: the Vulkan loader has to know before the process begins. */
function takeDriver(args) {
  const at = args.indexOf('--driver');
  if (at < 0) return env.TERNION_VULKAN ?? availableDrivers()[0];
  return args.splice(at, 2)[1];
}

function driverEnvironment(driver) {
  if (driver === 'system') return {};
  const manifest = ['lavapipe', 'swiftshader'].includes(driver) && driverManifest(driver);
  if (manifest) return { VK_ICD_FILENAMES: manifest };
  console.error(`The driver '${driver}' is not here; ${availableDrivers().join(', ')} can be had.`);
  return exit(1);
}

/** Scripts for the workers of a browser are nothing that Node runs. */
const withoutScripts = {
  name: 'without-scripts',
  enforce: 'pre',
  resolveId: { filter: { id: /\?script-url$/ }, handler: (id) => ({ id, external: true }) },
};

/** Bundles `entry` for Node into `folder`; packages stay outside the bundle. */
async function bundle(entry, folder) {
  await build({
    configFile: join(ROOT, 'tools/vite/node.config.ts'),
    root: ROOT,
    publicDir: false,
    logLevel: 'warn',
    plugins: [withoutScripts],
    build: { ssr: join(ROOT, entry), outDir: folder, emptyOutDir: true, minify: false, target: 'node20' },
  });
  return join(folder, entry.replace(/^.*\/(.*)\.ts$/, '$1.js'));
}

/** Runs `entry`, a path relative to the repository, with `args`; resolves to its exit code. Without `gpu`, no driver is chosen. */
export async function runBundled(entry, args, { gpu = true } = {}) {
  const own = [...args];
  const environment = gpu ? driverEnvironment(takeDriver(own)) : {};
  // A folder of its own: several may run at once.
  const folder = join(ROOT, 'node_modules/.cache/ternion-tools', String(pid));
  try {
    const script = await bundle(entry, folder);
    const child = spawn(execPath, ['--expose-gc', script, ...own], {
      stdio: 'inherit',
      env: { ...env, ...environment },
    });
    process.on('SIGINT', () => {});
    process.on('SIGTERM', () => child.kill('SIGTERM'));
    return await new Promise((resolve) => child.on('exit', (status) => resolve(status ?? 1)));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
