// What `npm start` and `npm test` do first: look at Node, install the dependencies if need be, run other programs.
import { Buffer } from 'node:buffer';
import { spawn } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { env, execPath, exit, platform, versions } from 'node:process';
import { fileURLToPath } from 'node:url';

/** The folder of package.json. */
export const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');

/** The oldest Node that Vite runs on; package.json says the same. */
const NODE = [20, 19];

/** Ends the process with one sentence on what is wrong. */
export function fail(sentence) {
  console.error(sentence);
  exit(1);
}

export function requireNode() {
  const [major, minor] = versions.node.split('.').map(Number);
  if (major > NODE[0] || (major === NODE[0] && minor >= NODE[1])) return;
  fail(`Ternion needs Node ${NODE.join('.')} or later, and this is ${versions.node}.`);
}

/** npm writes node_modules/.package-lock.json as the last thing it does, so an installation cut short counts as none. */
function dependenciesAreCurrent() {
  const installed = join(ROOT, 'node_modules/.package-lock.json');
  return (
    existsSync(installed) && statSync(installed).mtimeMs >= statSync(join(ROOT, 'package-lock.json')).mtimeMs
  );
}

/** Runs `npm ci` if node_modules is missing or older than package-lock.json. */
export async function ensureDependencies() {
  if (dependenciesAreCurrent()) return;
  console.log('Installing the dependencies (npm ci) …');
  const code = await npm('ci', '--include=dev', '--no-audit', '--no-fund');
  if (code !== 0) fail('The dependencies could not be installed; see what npm says above.');
}

/** Runs npm; resolves to its exit code. */
export function npm(...args) {
  return startNpm(args).ended;
}

/** Runs npm without a word of it; resolves to its exit code, and to what it had to say. */
export async function npmQuietly(...args) {
  const { child, ended } = startNpm(args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const said = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes) => said.push(bytes));
  const code = await ended;
  return { code, output: Buffer.concat(said).toString() };
}

/** Under npm its own script is known, elsewhere Windows needs a shell to find it. */
function startNpm(args, options = {}) {
  if (env.npm_execpath?.endsWith('.js')) return start(execPath, [env.npm_execpath, ...args], options);
  return start('npm', args, { shell: platform === 'win32', ...options });
}

/** Runs a program of node_modules, named by the path of its script. */
export function runInstalled(script, args) {
  return run(execPath, [join(ROOT, 'node_modules', script), ...args]);
}

/** Runs a program in the terminal of this one; resolves to its exit code, as a shell counts it. */
export function run(command, args, options = {}) {
  return start(command, args, options).ended;
}

/** Ctrl-C reaches the child by itself; it stops, and this process ends after it. */
function waitForChild() {}

/** Starts a program in the terminal of this one: its process, and a promise of its exit code. */
export function start(command, args, options = {}) {
  const child = spawn(command, args, { cwd: ROOT, stdio: 'inherit', ...options });
  const ended = new Promise((resolve) => {
    const passOn = (signal) => child.kill(signal);
    process.on('SIGINT', waitForChild).on('SIGTERM', passOn);
    const end = (code) => {
      process.off('SIGINT', waitForChild).off('SIGTERM', passOn);
      resolve(code);
    };
    child.on('error', (error) => {
      console.error(`${command} could not be started: ${error.message}`);
      end(127);
    });
    child.on('close', (code, signal) => end(code ?? (signal === 'SIGINT' ? 130 : 143)));
  });
  return { child, ended };
}
