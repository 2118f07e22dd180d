// Looks at processes that hang, and ends them with all that they started. Free of dependencies, so that .ci/ can use it too.
import { execFile, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { kill, platform } from 'node:process';

/** The longest that gdb may take, ms: it reads the symbols of Node and of the driver first. */
const GDB_LIMIT = 120_000;
/** Lines of C++ with all its types are longer than anybody reads. */
const LINE = 160;

/** What `ps` would say, read from /proc where that is: minimal systems have no `ps`. */
function processes() {
  if (existsSync('/proc/self/stat')) {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .flatMap((pid) => {
        try {
          // `pid (name) state parent …`; a name may hold spaces and brackets.
          const [, name, state, parent] = /\((.*)\) (\S) (\d+)/s.exec(
            readFileSync(`/proc/${pid}/stat`, 'latin1'),
          );
          return [{ pid: Number(pid), parent: Number(parent), name, state }];
        } catch {
          // It has ended since the folder was listed.
          return [];
        }
      });
  }
  const { stdout = '' } = spawnSync('ps', ['-A', '-o', 'pid=,ppid=,state=,comm='], { encoding: 'utf8' });
  return [...stdout.matchAll(/^ *(\d+) +(\d+) +(\S+) +(.*)$/gm)].map(([, pid, parent, state, name]) => ({
    pid: Number(pid),
    parent: Number(parent),
    name,
    state,
  }));
}

/** The process `pid` and everything that it started and that is still running, parents first. */
export function processTree(pid) {
  const all = processes();
  const tree = all.filter((each) => each.pid === pid);
  // Grows while it is walked.
  for (const { pid: parent } of tree) tree.push(...all.filter((each) => each.parent === parent));
  return tree;
}

/** Ends `pid` and everything that it started, at once. Browsers have process groups of their own, so a signal to one is not enough. */
export function killTree(pid) {
  if (platform === 'win32') {
    spawnSync('taskkill', ['/pid', String(pid), '/t', '/f']);
    return;
  }
  // The parents first: a browser would start what its tab lost anew.
  for (const each of processTree(pid)) {
    try {
      kill(each.pid, 'SIGKILL');
    } catch {
      // It has ended by itself.
    }
  }
}

/** The native stacks of all threads of `pid`, or why there are none. */
export function nativeStacks(pid) {
  const args = [
    '-p',
    String(pid),
    '-batch',
    '-nx',
    '-ex',
    'set pagination off',
    '-ex',
    'thread apply all bt',
  ];
  const options = { timeout: GDB_LIMIT, killSignal: 'SIGKILL', maxBuffer: 64 << 20 };
  return new Promise((resolve) => {
    execFile('gdb', args, options, (error, stdout) => {
      const lines = stdout.slice(Math.max(0, stdout.indexOf('\nThread '))).split('\n');
      const stacks = lines
        .map((line) => line.slice(0, LINE))
        .join('\n')
        .trim();
      if (stacks.startsWith('Thread ')) resolve(stacks);
      else if (error?.code === 'ENOENT') resolve('gdb is not installed, so there are no native stacks');
      else resolve(`gdb gave no native stacks: ${(error?.message ?? stdout).trim()}`);
    });
  });
}
